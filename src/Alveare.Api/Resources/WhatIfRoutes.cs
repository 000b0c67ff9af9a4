using System.Buffers;
using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using Alveare.Api.Problems;
using Alveare.Api.Routing;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Planning.Snapshots;
using Alveare.Planning.WhatIf;

namespace Alveare.Api.Resources;

/// <summary>What would happen: the questions of <c>alveare plan</c>, about a snapshot in the body or a cluster as it is now. Nothing is changed.</summary>
internal static class WhatIfRoutes
{
    private const string Tag = "What-if";

    /// <summary>The snapshot of a cluster of 30,000 machines is half of it.</summary>
    private const long LargestSnapshot = 24 * 1024 * 1024;

    private static readonly JsonWriterOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>How many questions are read and answered at once: each may hold a snapshot.</summary>
    internal const int MostAtOnce = 4;

    private static readonly SemaphoreSlim Admitted = new(MostAtOnce, MostAtOnce);

    // A plan takes a CPU for itself, so there is one at a time and the others wait.
    private static readonly SemaphoreSlim OneAtATime = new(1, 1);

    public static IEnumerable<ApiRoute> All =>
    [
        .. Pair<BalanceQuestion>("balance", "Which machines would move where, in order, and what that brings", (s, q) => Writing(Answering.Balance(s, q), PlanJson.Write)),
        .. Pair<PlaceQuestion>("place", "Which host a new machine would go to, and why not to the others", (s, q) => Writing(Answering.Place(s, q), PlanJson.Write)),
        .. Pair<HostQuestion>("maintenance", "Where the machines of a host would go if it were emptied", (s, q) => Writing(Answering.Maintenance(s, q), PlanJson.Write)),
        .. Pair<HostQuestion>("fail", "Where the machines of a host would start again if it failed", (s, q) => Writing(Answering.Fail(s, q), PlanJson.Write)),
        .. Pair<PowerQuestion>("power", "Which hosts would go to standby and which would be woken, and why", (s, q) => Writing(Answering.Power(s, q), PlanJson.Write)),
        .. Pair<GrowQuestion>("grow", "How many more machines of a kind fit, with and without more hosts", (s, q) => Writing(Answering.Grow(s, q), PlanJson.Write)),
    ];

    private static IEnumerable<ApiRoute> Pair<T>(string what, string summary, Func<ClusterSnapshot, T, Action<Utf8JsonWriter, double>> answer)
    {
        yield return new("POST", $"what-if/{what}", Tag, $"{summary}: of the snapshot in the body.", call => AdmitAsync(() => OnSnapshotAsync(call, answer)))
        {
            Id = $"what-if.{what}", Body = typeof(OnSnapshot<T>), Answer = typeof(object), BodyLimit = LargestSnapshot,
        };
        yield return new("POST", $"clusters/{{id}}/what-if/{what}", Tag, $"{summary}: of the cluster as it is now.", call => AdmitAsync(() => OnClusterAsync(call, answer)))
        {
            Id = $"cluster.what-if.{what}", Body = typeof(T), Answer = typeof(object),
        };
    }

    private static Action<Utf8JsonWriter, double> Writing<T>(T answer, Action<Utf8JsonWriter, T, double> write) => (w, cpu) => write(w, answer, cpu);

    // Before the body is read, so that those who wait for their turn hold no more than this many.
    private static async Task AdmitAsync(Func<Task> ask)
    {
        if (!Admitted.Wait(0))
            throw new ProblemException(HttpProblem.TooManyQuestions(MostAtOnce));
        try
        {
            await ask();
        }
        finally
        {
            Admitted.Release();
        }
    }

    private static async Task OnSnapshotAsync<T>(ApiCall call, Func<ClusterSnapshot, T, Action<Utf8JsonWriter, double>> answer)
    {
        call.RequireView();
        var asked = await call.BodyAsync<OnSnapshot<T>>();
        await AnswerAsync(call, () => answer(Read(asked.Snapshot), asked.Question));
    }

    private static async Task OnClusterAsync<T>(ApiCall call, Func<ClusterSnapshot, T, Action<Utf8JsonWriter, double>> answer)
    {
        call.RequireView();
        var cluster = call.RouteId(EntityKind.Cluster, "cluster");
        var question = await call.BodyAsync<T>();
        await AnswerAsync(call, () => answer(call.Engine.Balancing.Read(cluster).Snapshot, question));
    }

    private static async Task AnswerAsync(ApiCall call, Func<Action<Utf8JsonWriter, double>> ask)
    {
        var buffer = new ArrayBufferWriter<byte>();
        await OneAtATime.WaitAsync(call.Aborted);
        try
        {
            // Of the whole center, which does little else beside a plan.
            var before = Environment.CpuUsage.TotalTime;
            var write = ask();
            using var writer = new Utf8JsonWriter(buffer, Relaxed);
            write(writer, (Environment.CpuUsage.TotalTime - before).TotalSeconds);
        }
        finally
        {
            OneAtATime.Release();
        }

        call.Http.Response.ContentType = "application/json; charset=utf-8";
        call.Http.Response.Headers.CacheControl = "no-store";
        await call.Http.Response.Body.WriteAsync(buffer.WrittenMemory, call.Aborted);
    }

    private static ClusterSnapshot Read(JsonElement snapshot)
    {
        try
        {
            return SnapshotReader.Read(JsonMarshal.GetRawUtf8Value(snapshot), "the snapshot");
        }
        catch (FaultException e) when (e.Fault is FileCorrupt corrupt)
        {
            throw new FaultException(RequestBody.Wrong("the snapshot", $"wrong ({corrupt.Reason})", "a cluster as export-snapshot writes it"), e);
        }
    }
}

/// <summary>A question about a snapshot.</summary>
/// <param name="Snapshot">The content of a snapshot file.</param>
public sealed record OnSnapshot<T>(JsonElement Snapshot, T Question);
