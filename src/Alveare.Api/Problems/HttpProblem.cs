using System.Text.Json;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Wire.Rest;

namespace Alveare.Api.Problems;

/// <summary>Errors as problem documents: the engine's faults, and the few that only HTTP knows.</summary>
public static class HttpProblem
{
    public const string MediaType = "application/problem+json";

    public static Problem Of(Fault fault) => Make(
        FaultTable.StatusOf(fault), fault.Code, fault.Message, JsonSerializer.SerializeToElement(fault, ModelJson.Options));

    public static Problem UnknownRoute(string path) => Make(404, "UnknownRoute", $"Nothing is at '{path}'; GET /api/openapi.json lists what there is.");

    public static Problem WrongMethod(string method, string path) =>
        Make(405, "WrongMethod", $"'{path}' does not take {method}; GET /api/openapi.json lists what it takes.");

    public static Problem BodyTooLarge(long limit) => Make(413, "BodyTooLarge", $"The request's body is larger than {new Bytes(limit)}, the most that is read.");

    public static Problem WrongMediaType(string? given) =>
        Make(415, "WrongMediaType", $"The request's body is {(given is null ? "of no stated type" : $"'{given}'")}, expected 'application/json'.");

    public static Problem TooManyQuestions(int most) =>
        Make(429, "TooManyQuestions", $"{most} what-ifs are being answered, the most at once: ask again when one has ended.");

    public static Problem BadRequest(string reason) => Make(400, "BadRequest", $"The request cannot be read: {reason}");

    private static Problem Make(int status, string code, string detail, JsonElement? data = null) =>
        new($"urn:alveare:problem:{code}", code, status, detail, code, data);
}

/// <summary>Carries a problem that only HTTP knows to the one place that writes problems.</summary>
public sealed class ProblemException(Problem problem) : Exception(problem.Detail)
{
    public Problem Problem { get; } = problem;
}
