using Alveare.Cli.Running;
using Alveare.Planning.Snapshots;

namespace Alveare.Cli.WhatIf;

/// <summary>A snapshot file on this machine.</summary>
internal static class SnapshotFile
{
    public static ClusterSnapshot Read(string path)
    {
        try
        {
            return SnapshotReader.Read(File.ReadAllBytes(path), path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new UsageException($"The snapshot '{path}' cannot be read: {e.Message}");
        }
    }
}
