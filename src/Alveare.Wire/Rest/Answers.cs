using System.Text.Json;

namespace Alveare.Wire.Rest;

/// <summary>A list of records.</summary>
/// <param name="Total">How many match; more than there are items when a limit was given.</param>
/// <param name="Position">Where the change stream stood before the list was made: watching from here misses nothing.</param>
public sealed record Listing<T>(IReadOnlyList<T> Items, int Total, string Position);

/// <summary>An object of the inventory with the path that leads to it.</summary>
public sealed record Located<T>(string Path, T Object);

/// <summary>What <c>POST /api/session</c> takes.</summary>
public sealed record LoginRequest(string User, string Password);

/// <summary>Who is logged in.</summary>
/// <param name="Token">Goes into the header <c>Authorization: Bearer</c>; only a login shows it.</param>
/// <param name="ExpiresAt">When the session ends unless it is used before.</param>
public sealed record SessionAnswer(string User, string Role, DateTimeOffset ExpiresAt, string? Token = null);

/// <summary>Whether the center serves, for load balancers and scripts.</summary>
public sealed record Health(string Status, string Version, int Objects);

/// <summary>An error (RFC 9457, <c>application/problem+json</c>).</summary>
/// <param name="Type">A URN that ends in the code.</param>
/// <param name="Detail">The sentence for people.</param>
/// <param name="Code">Stable name for programs, such as <c>InvalidPowerState</c>.</param>
/// <param name="Data">The fault's own data to act on.</param>
public sealed record Problem(string Type, string Title, int Status, string Detail, string Code, JsonElement? Data = null);

/// <summary>One operation of the catalogue.</summary>
/// <param name="Route">Below the server's address, with <c>{id}</c> for the target.</param>
/// <param name="Body">JSON schema of the request's body.</param>
public sealed record OperationAnswer(
    string Name, string Summary, string Route, string Privilege, IReadOnlyList<string> States, bool OnTemplates, bool Cancellable, JsonElement Body);

/// <summary>A user of the site.</summary>
public sealed record UserAnswer(string Name, string Role);
