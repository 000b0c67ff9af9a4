using System.Globalization;

namespace Alveare.Kvm.Cgroups;

/// <summary>What the kernel is to hold a machine's control group to.</summary>
public sealed record GroupLimits(CpuLimits Cpu, MemoryLimits Memory)
{
    /// <summary>Whether a group that is held to the other need not be touched for these.</summary>
    public bool IsNear(GroupLimits other) => Cpu.IsNear(other.Cpu) && Memory.IsNear(other.Memory);

    /// <summary>The files of version 1 of the interface and what is written into them.</summary>
    public IEnumerable<(string File, string Value)> Version1 => [.. Cpu.Version1, .. Memory.Version1];

    /// <summary>The files of version 2.</summary>
    public IEnumerable<(string File, string Value)> Version2 => [.. Cpu.Version2, .. Memory.Version2];

    internal static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    /// <summary>Writes values into the files of whichever of a machine's groups has them.</summary>
    /// <returns>The files that none of them has (controllers that this kernel lacks, or does not pass on), and those that could not be written.</returns>
    internal static IReadOnlyList<UnwrittenFile> Write(IEnumerable<string> groups, IEnumerable<(string File, string Value)> values)
    {
        var unwritten = new List<UnwrittenFile>();
        foreach (var (file, value) in values)
        {
            try
            {
                if (groups.Select(g => Path.Combine(g, file)).FirstOrDefault(File.Exists) is { } path)
                    File.WriteAllText(path, value);
                else
                    unwritten.Add(new(file));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                unwritten.Add(new(file, e.Message));
            }
        }

        return unwritten;
    }
}

/// <summary>A file of the kernel that was not written.</summary>
/// <param name="Why">Null where there is no such file, which will be so the next time.</param>
public sealed record UnwrittenFile(string File, string? Why = null)
{
    public override string ToString() => Why is null ? $"this host lacks {File}" : $"the kernel did not take {File} ({Why})";
}
