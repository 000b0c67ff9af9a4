using System.Security.Cryptography;
using System.Text.Json.Serialization;
using Alveare.Core.Store;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Security;

namespace Alveare.Core.Security;

/// <summary>A user at one moment: two that are equal have the same name, role and password.</summary>
/// <param name="Salt">Of the password: new with each, so it names the password without telling it.</param>
public sealed record User(string Name, Role Role, string Salt);

/// <summary>The users of the site, with salted PBKDF2 hashes (SHA-256, 210,000 rounds: OWASP's figure for it).</summary>
public sealed class Users(IStore store, IdSource ids)
{
    /// <summary>Longest user name, in characters.</summary>
    public const int MaxNameLength = 64;

    /// <summary>Longest password, in characters.</summary>
    public const int MaxPasswordLength = 200;

    private const int Rounds = 210_000;
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, StoredUser> _users = new(StringComparer.Ordinal);

    public void Load()
    {
        foreach (var record in store.Load(StoreKind.User))
            _users[record.Key] = ModelJson.Read<StoredUser>(record.Json);
    }

    public IReadOnlyList<User> All
    {
        get
        {
            lock (_gate)
                return [.. _users.Values.Select(u => u.Shown)];
        }
    }

    public User? Find(string name)
    {
        lock (_gate)
            return _users.GetValueOrDefault(name)?.Shown;
    }

    /// <summary>The user if the password is right, else null. Takes as long for a user that does not exist.</summary>
    public User? Check(string name, string password)
    {
        StoredUser? user;
        lock (_gate)
            user = _users.GetValueOrDefault(name);
        var salt = user is null ? new byte[16] : Convert.FromHexString(user.Salt);
        var rounds = user?.Rounds ?? Rounds;
        var hash = Hash(password.Length > MaxPasswordLength ? "" : password, salt, rounds);
        return user is not null && password.Length <= MaxPasswordLength && CryptographicOperations.FixedTimeEquals(hash, Convert.FromHexString(user.Hash))
            ? user.Shown
            : null;
    }

    public Task CreateAsync(string name, string password, Role role)
    {
        if (name.Length is 0 or > MaxNameLength || name.Any(c => char.IsControl(c) || char.IsWhiteSpace(c)))
            throw new FaultException(new InvalidName(name, $"a user name has 1 to {MaxNameLength} characters without white space"));
        CheckPassword(name, password);
        var user = New(name, password, role);
        lock (_gate)
        {
            if (!_users.TryAdd(name, user))
                throw new FaultException(new DuplicateName("user", name, "the site"));
            return SaveAsync(name, user, () => _users.Remove(name));
        }
    }

    /// <summary>Changes password, role or both. The last administrator keeps the role.</summary>
    public Task UpdateAsync(string name, string? password, Role? role)
    {
        if (password is not null)
            CheckPassword(name, password);
        lock (_gate)
        {
            var before = Existing(name);
            if (role is not null and not Role.Administrator)
                KeepAnAdministrator(before);
            var after = (password is null ? before : New(name, password, before.Role)) with { Role = role ?? before.Role };
            _users[name] = after;
            return SaveAsync(name, after, () => _users[name] = before);
        }
    }

    public Task RemoveAsync(string name)
    {
        lock (_gate)
        {
            var before = Existing(name);
            KeepAnAdministrator(before);
            _users.Remove(name);
            return SaveAsync(name, null, () => _users[name] = before);
        }
    }

    private static byte[] Hash(string password, byte[] salt, int rounds) =>
        Rfc2898DeriveBytes.Pbkdf2(password, salt, rounds, HashAlgorithmName.SHA256, 32);

    private static void CheckPassword(string name, string password)
    {
        if (password.Length is < 8 or > MaxPasswordLength)
            throw new FaultException(new InvalidArgument($"User '{name}'", "the password", $"{password.Length} characters long", $"8 to {MaxPasswordLength} characters"));
    }

    private StoredUser New(string name, string password, Role role)
    {
        var salt = ids.NewSecret(16);
        return new StoredUser(name, role, salt, Convert.ToHexStringLower(Hash(password, Convert.FromHexString(salt), Rounds)), Rounds);
    }

    private StoredUser Existing(string name) =>
        _users.TryGetValue(name, out var user) ? user : throw new FaultException(new NotFound("user", name));

    private void KeepAnAdministrator(StoredUser user)
    {
        if (user.Role == Role.Administrator && _users.Values.Count(u => u.Role == Role.Administrator) == 1)
            throw new FaultException(new InvalidState(user.Name, "the only administrator", "one of several, since the site would be left without one"));
    }

    // Null removes it. Under the gate, so that the store gets the writes in the order in which they were made here.
    private async Task SaveAsync(string name, StoredUser? user, Action takeBack)
    {
        try
        {
            await store.CommitAsync([new StoreWrite(StoreKind.User, name, user is null ? null : ModelJson.Write(user))]);
        }
        catch
        {
            lock (_gate)
                takeBack();
            throw;
        }
    }

    private sealed record StoredUser(string Name, Role Role, string Salt, string Hash, int Rounds)
    {
        [JsonIgnore]
        public User Shown => new(Name, Role, Salt);
    }
}
