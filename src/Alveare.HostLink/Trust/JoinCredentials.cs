using System.Security.Cryptography;
using System.Text;
using Alveare.Core.Security;
using Alveare.Model.Faults;

namespace Alveare.HostLink.Trust;

/// <summary>The user and password that let a center join a host, with wrong guesses slowed down as at a login. Safe for concurrent calls.</summary>
public sealed class JoinCredentials(string password, string hostName, TimeProvider time)
{
    public const string User = "root";

    private readonly LoginThrottle _throttle = new(time);

    /// <summary>The credentials in <paramref name="file"/>, made at the first start. A given password replaces what is there.</summary>
    public static JoinCredentials Open(string file, string? given, string hostName, TimeProvider time)
    {
        if (given is not null)
            StateFile.WriteSecret(file, given + "\n");
        else if (!File.Exists(file))
            StateFile.WriteSecret(file, Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12)) + "\n");
        return new JoinCredentials(File.ReadAllText(file).Trim(), hostName, time);
    }

    /// <summary>Throws <see cref="HostJoinRefused"/> for a wrong user or password, <see cref="LoginThrottled"/> for too many of them.</summary>
    internal void Check(string caller, string user, string given)
    {
        var isRight = user == User & IsPassword(given);
        _throttle.Count(User, caller, isRight);
        if (!isRight)
            throw new FaultException(new HostJoinRefused(hostName, "the user name or password is wrong"));
    }

    private bool IsPassword(string given) => CryptographicOperations.FixedTimeEquals(
        SHA256.HashData(Encoding.UTF8.GetBytes(given)), SHA256.HashData(Encoding.UTF8.GetBytes(password)));
}
