using System.Security.Cryptography;
using Alveare.Core.Security;
using Alveare.HostLink.Trust;
using Alveare.Model.Security;

namespace Alveare.Center;

/// <summary>The user a new site begins with.</summary>
internal static class FirstAdministrator
{
    public const string Name = "admin";

    /// <summary>Creates the administrator of a site that has no users, with <paramref name="given"/> as password, or a random one that is
    /// written to <paramref name="file"/>. Answers where the password is to be had, or null when there are users already.</summary>
    public static async Task<string?> CreateAsync(Users users, string? given, string file)
    {
        if (users.All.Count > 0)
            return null;
        var password = string.IsNullOrEmpty(given) ? Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12)) : given;
        // Written before the user exists: a center killed in between makes both anew, and nobody is locked out.
        if (password != given)
            StateFile.WriteSecret(file, password + "\n");
        await users.CreateAsync(Name, password, Role.Administrator);
        return password == given ? "the environment" : file;
    }
}
