using System.Diagnostics;
using Alveare.Kvm.Customization;
using Alveare.Machine.Tests.Clones;
using Alveare.Machine.Tests.Guest;
using Alveare.Machine.Tests.Room;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Customization;

public sealed class CustomizationTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ACustomizedCloneHasASeedThatItsGuestCannotWriteTo()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var source = await room.CreateTickingAsync(host, "source");
        var customization = new GuestCustomization { HostName = "web01", SshKeys = ["ssh-ed25519 AAAA me"], Commands = ["echo \"'\" #"] };

        var command = Cloning.Command(room, source, "web01", CloneKind.Linked) with { Customization = customization };
        var clone = ((MachineReply)await MachineRoom.ExecuteAsync(host, command)).Machine;

        Assert.Equal("web01-seed.img", clone.Spec?.CustomizationSeed);
        var seed = Path.Combine(room.DatastorePath, "web01", "web01-seed.img");
        var text = SeedText.Write(clone.Spec!, customization);
        Assert.Equal(text.MetaData, await ReadAsync(seed, "meta-data"));
        Assert.Equal(text.UserData, await ReadAsync(seed, "user-data"));
        Assert.Equal(text.NetworkConfig, await ReadAsync(seed, "network-config"));
        await Cloning.TicksAsync(host, clone);
        var arguments = File.ReadAllText($"/proc/{Assert.Single(room.LivingProcesses())}/cmdline").Split('\0');
        Assert.Contains(arguments, a => a.Contains("web01-seed.img") && a.Contains("\"read-only\":true"));
        await MachineRoom.ExecuteAsync(host, new StopMachine(clone.Id));

        // A clone of the clone is another instance: it does not inherit what this one was told.
        var plain = await Cloning.CloneAsync(room, host, clone, "plain", CloneKind.Full);
        Assert.Null(plain.Spec?.CustomizationSeed);
        await MachineRoom.ExecuteAsync(host, new DestroyMachine(clone.Id));
        Assert.False(Directory.Exists(Path.Combine(room.DatastorePath, "web01")));
    }

    [Fact]
    public async Task AValueThatNoGuestCanTakeIsAFaultAndLeavesNothingBehind()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var source = await room.CreateTickingAsync(host, "source");
        var command = Cloning.Command(room, source, "web01", CloneKind.Full) with { Customization = new GuestCustomization { HostName = "no_name" } };

        Assert.IsType<InvalidArgument>(await Cloning.RefusedAsync(host, command));

        Assert.False(Directory.Exists(Path.Combine(room.DatastorePath, "web01")));
    }

    [Fact]
    public async Task ARealGuestTakesHostileWordsAsTheyAre()
    {
        const string Hostile = "it's \"a\": [b, {c}] # \\ & é";
        await using var room = MachineRoom.Open();
        var disk = Path.Combine(room.Path, "disk.qcow2");
        File.Copy(await GuestImage.GetAsync(), disk);
        var spec = new MachineSpec
        {
            Uuid = Guid.NewGuid(), Name = "web01", Cpus = 1, Memory = Bytes.FromMib(128), Nics = [new NicSpec(Seed.Mac, "blue")],
        };
        var customization = new GuestCustomization
        {
            HostName = "web01",
            Address = "10.0.2.77/24",
            Gateway = "10.0.2.2",
            SshKeys = ["ssh-ed25519 AAAA me"],
            Commands = [$"cat >/root/words <<'END'\n{Hostile}\nEND", "touch /root/done"],
        };
        var seed = Path.Combine(room.Path, "seed.img");
        File.WriteAllBytes(seed, await SeedImage.MakeAsync(SeedText.Write(spec, customization), room.Path, Cancellation));

        await using var guest = BootedGuest.Start(room.Path, disk, seed, "user");
        await guest.AgentAnswersAsync();

        Assert.Equal("web01", (string)(await guest.AskAgentAsync("guest-get-host-name"))["host-name"]!);
        Assert.Contains("10.0.2.77", (await guest.AskAgentAsync("guest-network-get-interfaces")).ToJsonString());
        Assert.Equal("ssh-ed25519 AAAA me\n", await guest.ReadFileAsync("/root/.ssh/authorized_keys"));
        await DoneAsync(guest);
        Assert.Equal(Hostile + "\n", await guest.ReadFileAsync("/root/words"));
        await guest.PressPowerButtonAsync();
    }

    private static async Task DoneAsync(BootedGuest guest)
    {
        for (var tries = 0; ; tries++)
        {
            try
            {
                await guest.ReadFileAsync("/root/done");
                return;
            }
            catch (Exception) when (tries < 40)
            {
                await Task.Delay(500, Cancellation);
            }
        }
    }

    private static async Task<string> ReadAsync(string image, string name)
    {
        using var process = Process.Start(new ProcessStartInfo("mcopy", ["-i", image, $"::{name}", "-"]) { RedirectStandardOutput = true })!;
        var text = await process.StandardOutput.ReadToEndAsync(Cancellation);
        await process.WaitForExitAsync(Cancellation);
        return text;
    }
}
