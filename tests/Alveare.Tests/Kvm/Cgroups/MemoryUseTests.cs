using Alveare.Kvm.Cgroups;
using Alveare.Model;
using Xunit;

namespace Alveare.Tests.Kvm.Cgroups;

/// <summary>What the kernel's files say of the memory of a group.</summary>
public sealed class MemoryUseTests
{
    [Theory]
    [InlineData("MemTotal: 9 kB\nSwapCached: 8 kB\nSwapTotal:       1048572 kB\n", 1048572 * 1024)]
    [InlineData("MemTotal: 9 kB\nSwapTotal:             0 kB\n", 0)]
    [InlineData("MemTotal: 9 kB\n", 0)]
    public void AHostMayHaveSomewhereToSwapTo(string memoryInfo, long expected) => Assert.Equal(new Bytes(expected), MemoryUse.ParseSwap(memoryInfo));

    [Theory]
    [InlineData("anon 500\nfile 300\ninactive_anon 500\nactive_anon 0\ninactive_file 200\nactive_file 50\n", 750)]
    // Of huge pages half was given back, and the pages are whole.
    [InlineData("anon 300\nfile 300\nshmem 50\ninactive_anon 500\nactive_anon 50\ninactive_file 200\nactive_file 50\n", 550)]
    [InlineData("cache 250\nrss 300\nshmem 0\ninactive_anon 500\nactive_anon 0\ninactive_file 200\nactive_file 50\n", 550)]
    // The figures are not of one moment.
    [InlineData("anon 500\ninactive_anon 100\ninactive_file 200\nactive_file 50\n", 750)]
    public void WhatIsKeptOfFilesOrHasBeenGivenBackIsNotTaken(string statistics, long taken)
    {
        var root = Directory.CreateTempSubdirectory("alveare-test").FullName;
        try
        {
            var (cpu, memory) = (Path.Combine(root, "cpu"), Path.Combine(root, "memory"));
            Directory.CreateDirectory(cpu);
            Directory.CreateDirectory(memory);
            Assert.Equal(Bytes.Zero, MemoryUse.Read([cpu, memory], "memory.current"));
            File.WriteAllText(Path.Combine(memory, "memory.current"), "1000\n");
            File.WriteAllText(Path.Combine(memory, "memory.stat"), statistics);
            Assert.Equal(new Bytes(taken), MemoryUse.Read([cpu, memory], "memory.current"));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }
}
