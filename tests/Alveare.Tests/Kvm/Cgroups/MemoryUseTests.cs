using Alveare.Kvm.Cgroups;
using Alveare.Model;
using Xunit;

namespace Alveare.Tests.Kvm.Cgroups;

/// <summary>What the kernel's files say of the memory of a group.</summary>
public sealed class MemoryUseTests
{
    [Fact]
    public void WhatIsKeptOfFilesIsNotTaken()
    {
        var root = Directory.CreateTempSubdirectory("alveare-test").FullName;
        try
        {
            var (cpu, memory) = (Path.Combine(root, "cpu"), Path.Combine(root, "memory"));
            Directory.CreateDirectory(cpu);
            Directory.CreateDirectory(memory);
            Assert.Equal(Bytes.Zero, MemoryUse.Read([cpu, memory], "memory.current"));
            File.WriteAllText(Path.Combine(memory, "memory.current"), "1000\n");
            File.WriteAllText(Path.Combine(memory, "memory.stat"), "anon 500\nfile 300\ninactive_anon 100\ninactive_file 200\nactive_file 50\n");
            Assert.Equal(new Bytes(750), MemoryUse.Read([cpu, memory], "memory.current"));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }
}
