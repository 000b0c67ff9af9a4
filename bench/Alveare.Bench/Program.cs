using System.Globalization;
using Alveare.Bench;
using Alveare.Bench.Measures;
using Alveare.Bench.Report;
using Alveare.Bench.Scale;
using Alveare.Cli.Client;
using Alveare.Lab;

string[] all = ["power", "migration", "statistics", "idle", "center", "scale", "shares", "balance"];
var usage =
    $"""
    usage: ./alveare bench [{string.Join('|', all)}]...

    Prints ratios of things measured side by side in this run. Without a name: all. Needs root and a machine with nothing else to do;
    the load is printed with the results.
    """;
if (args is [ScaleLoad.Word, var center, var seconds])
{
    await ScaleLoad.RunAsync(new Uri(center), TimeSpan.FromSeconds(int.Parse(seconds, CultureInfo.InvariantCulture)));
    return 0;
}

if (args is ["-h" or "--help"])
{
    Console.WriteLine(usage);
    return 0;
}

if (args.FirstOrDefault(a => !all.Contains(a)) is { } unknown)
{
    await Console.Error.WriteLineAsync($"alveare bench: there is no measure '{unknown}'.\n{usage}");
    return 2;
}

var asked = args.Length == 0 ? all : args;
Console.WriteLine($"load before: {Load()}, {Environment.ProcessorCount} CPUs");
try
{
    var lines = new List<Line>();
    foreach (var name in asked)
    {
        Console.WriteLine($"measuring {name} ...");
        var measured = await MeasureAsync(name);
        // At once: a later measure that fails takes nothing with it.
        Line.Print(measured);
        lines.AddRange(measured);
    }

    Console.WriteLine($"load after: {Load()}");
    return lines.All(l => l.IsMet) ? 0 : 1;
}
catch (Exception e) when (e is LabException or RestFaultException or NotReachableException)
{
    await Console.Error.WriteLineAsync($"alveare bench: {e.Message}");
    return 1;
}

static async Task<IReadOnlyList<Line>> MeasureAsync(string name)
{
    if (name == "statistics")
        return await StatisticsMeasure.RunAsync();
    if (name == "center")
        return await CenterMeasure.RunAsync();
    if (name == "scale")
        return await ScaleMeasure.RunAsync();
    if (name == "balance")
        return await BalanceMeasure.RunAsync();
    // A lab of its own for each: what one measure leaves behind must not weigh on the next.
    await using var lab = await BenchLab.StartAsync();
    return name switch
    {
        "power" => await PowerMeasure.RunAsync(lab),
        "migration" => await MigrationMeasure.RunAsync(lab),
        "shares" => await SharesMeasure.RunAsync(lab),
        _ => await IdleMeasure.RunAsync(lab),
    };
}

static string Load() => string.Join(' ', File.ReadAllText("/proc/loadavg").Split(' ')[..3]);
