using Alveare.Core.Events;
using Alveare.Core.Security;
using Alveare.Core.Tasks;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Operations;

namespace Alveare.Core.Site;

/// <summary>Users of the site.</summary>
internal sealed class UserOperations(Users users, EventLog events)
{
    public void Register(TaskEngine tasks)
    {
        tasks.Handle<CreateUser>(CreateAsync);
        tasks.Handle<UpdateUser>(UpdateAsync);
        tasks.Handle<RemoveUser>(RemoveAsync);
    }

    private async Task CreateAsync(CreateUser operation, TaskContext context)
    {
        await users.CreateAsync(operation.User, operation.Password, operation.Role);
        Audit("user.created", $"User '{operation.User}' was created as {operation.Role}.", context);
    }

    private async Task UpdateAsync(UpdateUser operation, TaskContext context)
    {
        if (operation is { Password: null, Role: null })
            throw new FaultException(new InvalidArgument($"User '{operation.User}'", "the change", "empty", "a new password, a new role or both"));
        await users.UpdateAsync(operation.User, operation.Password, operation.Role);
        var what = (operation.Password, operation.Role) switch
        {
            (null, { } role) => $"is {role} now",
            ({ }, null) => "has a new password",
            _ => $"is {operation.Role} now and has a new password",
        };
        Audit("user.changed", $"User '{operation.User}' {what}.", context);
    }

    private async Task RemoveAsync(RemoveUser operation, TaskContext context)
    {
        await users.RemoveAsync(operation.User);
        Audit("user.removed", $"User '{operation.User}' was removed.", context);
    }

    private void Audit(string kind, string message, TaskContext context) =>
        events.Add(EventSeverity.Audit, kind, message, user: context.Session.User);
}
