using Alveare.Api.Routing;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Security;

namespace Alveare.Api.Resources;

/// <summary>A machine's log, read from its host.</summary>
internal static class LogRoute
{
    public static ApiRoute Vm => new("GET", "vms/{id}/log", "Virtual machines", "A machine's log, from its beginning: its starts on whatever host with QEMU's command lines, and why each QEMU ended.", ReadAsync)
    {
        Id = "vmLog", MediaType = "text/plain",
    };

    private static async Task ReadAsync(ApiCall call)
    {
        var vm = call.Engine.Inventory.Current.Get<VirtualMachine>(call.RouteId(EntityKind.VirtualMachine, "vm"));
        call.Engine.Tasks.Authorize(call.Session, Privilege.VmConsole, "vm.log", vm.Id, vm.Name);
        var host = vm.Host ?? throw new FaultException(new InvalidState(vm.Name, "on no host", "registered on one, which reads its files"));
        await using var log = await call.Engine.Hosts.OpenAsync(host, new HostChannel(vm.Id, HostChannelKind.Log), call.Aborted);
        // Names and QEMU's own words are in it: nothing may take them for a page.
        call.Http.Response.ContentType = "text/plain; charset=utf-8";
        await log.CopyToAsync(call.Http.Response.Body, call.Aborted);
    }
}
