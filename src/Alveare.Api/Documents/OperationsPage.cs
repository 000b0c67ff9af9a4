using System.Text;
using Alveare.Api.Resources;
using Alveare.Api.Routing;
using Alveare.Model;
using Alveare.Model.Operations;
using Alveare.Model.Security;

namespace Alveare.Api.Documents;

/// <summary>The text of <c>docs/operations.md</c>, made from the catalogue.</summary>
public static class OperationsPage
{
    public static string Write()
    {
        var page = new StringBuilder();
        page.Append(
            """
            # Operations

            Everything a user can ask a center to do. This page is made from the operation catalogue (`src/Alveare.Model/Operations`) and a test
            holds it there: with `ALVEARE_WRITE_DOCS=1` in its environment the test writes it anew.

            Each runs as a task: the route answers 202 with the task's record. Other properties than the target go into the JSON body. See
            [rest.md](rest.md) for the API around them and [cli.md](cli.md) for the commands.


            """);
        foreach (var kind in OperationCatalogue.All.GroupBy(o => o.Rules.Kind).OrderBy(g => g.Key))
        {
            page.Append($"## {OperationCatalogue.Prefix(kind.Key)}\n\n");
            foreach (var operation in kind)
                Append(page, operation);
        }

        return page.ToString().TrimEnd() + "\n";
    }

    private static void Append(StringBuilder page, OperationDeclaration operation)
    {
        page.Append($"### {operation.Name}\n\n{operation.Rules.Summary}\n\n");
        page.Append($"- `POST /api/{OperationRoutes.PatternOf(operation)}`\n");
        page.Append($"- Privilege `{ModelJson.Word(operation.Rules.Privilege)}`: {string.Join(", ", RolesWith(operation.Rules.Privilege))}\n");
        if (operation.Rules.Kind == EntityKind.VirtualMachine)
        {
            var states = OperationRoutes.StatesOf(operation);
            page.Append($"- Power state: {(states.Count == 0 ? "any" : string.Join(" or ", states))}{(operation.Rules.OnTemplates ? "; also on templates" : "")}\n");
        }

        if (operation.Rules.Cancellable)
            page.Append("- Can be cancelled while it runs\n");
        page.Append('\n');
        var properties = StrictJson.Options.GetTypeInfo(operation.Type).Properties;
        if (properties.Count == 0)
            return;
        page.Append("| property | value | |\n|---|---|---|\n");
        foreach (var property in properties.OrderByDescending(p => p.IsRequired).ThenBy(p => p.Name, StringComparer.Ordinal))
            page.Append($"| `{property.Name}` | {BodySchemas.Words(property.PropertyType)} | {(property.IsRequired ? "required" : "")} |\n");
        page.Append('\n');
    }

    private static IEnumerable<string> RolesWith(Privilege privilege) =>
        Enum.GetValues<Role>().Where(r => r.Has(privilege)).Select(r => r.ToString());
}
