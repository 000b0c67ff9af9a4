using Alveare.Model;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Xunit;
using static Alveare.Tests.Api.ApiSite;

namespace Alveare.Tests.Api;

public sealed class InventoryApiTests(ApiSite site) : IClassFixture<ApiSite>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ListsAreFilteredAndLimitedAndSayHowManyThereAre()
    {
        var folder = await FolderAsync("filtered");
        await site.PutMachineAsync("f2", folder);
        await site.PutMachineAsync("f1", folder, PowerState.On);
        await site.PutMachineAsync("f3", folder);
        var client = await site.AsAsync("rita");

        var all = await JsonAsync(await client.GetAsync($"/api/vms?within={site.Datacenter}&parent={folder}", Cancellation));
        Assert.Equal(["f1", "f2", "f3"], all.GetProperty("items").EnumerateArray().Select(v => v.GetProperty("name").GetString()!));
        Assert.All(all.GetProperty("items").EnumerateArray(), v => Assert.Equal("vm", v.GetProperty("kind").GetString()));

        var off = await JsonAsync(await client.GetAsync($"/api/vms?parent={folder}&power=off&limit=1", Cancellation));
        Assert.Equal(2, off.GetProperty("total").GetInt32());
        Assert.Equal("f2", Assert.Single(off.GetProperty("items").EnumerateArray()).GetProperty("name").GetString());
    }

    [Fact]
    public async Task AnObjectIsFoundByNameByTheEndOfItsPathByItsPathAndById()
    {
        var folder = await FolderAsync("found");
        var vm = await site.PutMachineAsync("grün 機械", folder);
        var client = await site.AsAsync();
        foreach (var text in new[] { "grün 機械", "found/grün 機械", "/north/found/grün 機械", vm.ToString() })
        {
            var found = await JsonAsync(await client.GetAsync($"/api/lookup?kind=vm&name={Uri.EscapeDataString(text)}", Cancellation));
            Assert.Equal(vm.ToString(), found.GetProperty("object").GetProperty("id").GetString());
            Assert.Equal("/north/found/grün 機械", found.GetProperty("path").GetString());
        }
    }

    [Fact]
    public async Task AnAmbiguousNameIsAnsweredWithAllThatItCanBe()
    {
        await site.PutMachineAsync("twin", await FolderAsync("left"));
        var right = await site.PutMachineAsync("twin", await FolderAsync("right"));
        var client = await site.AsAsync();
        var problem = await ProblemAsync(await client.GetAsync("/api/lookup?kind=vm&name=twin", Cancellation), 409, "AmbiguousName");
        var candidates = problem.Data!.Value.GetProperty("candidates").EnumerateArray().Select(c => c.GetString()!).ToList();
        Assert.Equal(2, candidates.Count);
        Assert.StartsWith("/north/left/twin", candidates[0], StringComparison.Ordinal);

        var found = await JsonAsync(await client.GetAsync("/api/lookup?name=right/twin", Cancellation));
        Assert.Equal(right.ToString(), found.GetProperty("object").GetProperty("id").GetString());
    }

    [Fact]
    public async Task AnUnknownNameIsAnsweredWithTheKindsThatWereLookedForAndWhatIsNear()
    {
        var folder = await FolderAsync("nearby");
        var machine = await site.PutMachineAsync("mailserver", folder);
        var client = await site.AsAsync();
        async Task<string> DetailAsync(string query) => (await ProblemAsync(await client.GetAsync($"/api/lookup?{query}", Cancellation), 404, "NotFound")).Detail;

        Assert.Equal("No vm is named 'mailsrever'. Did you mean 'mailserver'?", await DetailAsync("kind=vm&name=mailsrever"));
        Assert.Equal("No folder or vm is named 'nearbi/mailserver'. Did you mean 'nearby/mailserver'?", await DetailAsync("kind=folder,vm&name=nearbi/mailserver"));
        Assert.Equal("No vm is named '/north/nearby/mail'. Did you mean '/north/nearby/mailserver'?", await DetailAsync("kind=vm&name=/north/nearby/mail"));
        Assert.Equal("No host, cluster or pool is named 'mailserver'.", await DetailAsync("kind=host,cluster,pool&name=mailserver"));
        Assert.Equal("No object is named 'mailsrever'. Did you mean 'mailserver'?", await DetailAsync("name=mailsrever"));
        // A machine is no template, whatever its name or id.
        var template = await site.PutMachineAsync("mailtemplate", folder, isTemplate: true);
        Assert.Equal("No template is named 'mailtempalte'. Did you mean 'mailtemplate'?", await DetailAsync("kind=template&name=mailtempalte"));
        Assert.Equal("No template is named 'mailserver'.", await DetailAsync("kind=template&name=mailserver"));
        Assert.Equal($"No template is named '{machine}'.", await DetailAsync($"kind=template&name={machine}"));
        foreach (var query in new[] { "kind=template&name=mailtemplate", $"kind=template&name={template}", "kind=vm&name=mailtemplate" })
            Assert.Equal(template.ToString(), (await JsonAsync(await client.GetAsync($"/api/lookup?{query}", Cancellation))).GetProperty("object").GetProperty("id").GetString());

        var found = await JsonAsync(await client.GetAsync("/api/lookup?kind=folder,cluster&name=nearby", Cancellation));
        Assert.Equal(folder.ToString(), found.GetProperty("object").GetProperty("id").GetString());
        var problem = await ProblemAsync(await client.GetAsync("/api/lookup?kind=folder,rack&name=nearby", Cancellation), 400, "InvalidArgument");
        Assert.Contains("'kind' is 'rack'", problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task StatisticsOfAMachineThatNeverReportedAreEmpty()
    {
        var vm = await site.PutMachineAsync("silent");
        var samples = await JsonAsync(await (await site.AsAsync()).GetAsync($"/api/vms/{vm}/statistics", Cancellation));
        Assert.Equal(0, samples.GetProperty("total").GetInt32());
    }

    private async Task<EntityId> FolderAsync(string name)
    {
        var id = new EntityId(EntityKind.Folder, Guid.NewGuid());
        await site.PutAsync(new Folder { Id = id, Name = name, Parent = site.Datacenter });
        return id;
    }
}
