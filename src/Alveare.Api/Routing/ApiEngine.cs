using Alveare.Core.Changes;
using Alveare.Core.Events;
using Alveare.Core.Inventory;
using Alveare.Core.Security;
using Alveare.Core.Statistics;
using Alveare.Core.Tasks;

namespace Alveare.Api.Routing;

/// <summary>The parts of an engine that the facade speaks to.</summary>
public sealed record ApiEngine(
    InventoryWriter Inventory, TaskEngine Tasks, EventLog Events, Feed Feed, Users Users, Sessions Sessions, StatisticsHistory Statistics);
