using Alveare.Lab.Layout;

namespace Alveare.Lab;

/// <summary>Keeps one command at a time at a lab, and one lab at a time to a name: namespaces and addresses are the machine's, not the
/// state directory's.</summary>
public sealed class LabClaim : IDisposable
{
    private readonly LabPlan _plan;
    private readonly FileStream _lock;

    private LabClaim(LabPlan plan, FileStream hold) => (_plan, _lock) = (plan, hold);

    private static string FileOf(LabPlan plan) => $"/run/alveare-lab-{plan.Name}";

    /// <summary>The state directory that the lab of this name has, or null when there is no lab.</summary>
    public static string? OwnerOf(LabPlan plan)
    {
        try
        {
            return File.ReadAllText(FileOf(plan)).Trim() is { Length: > 0 } owner ? owner : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>Takes the lab's name for this command and its state directory until disposed; the directory keeps it until
    /// <see cref="Release"/>.</summary>
    public static LabClaim Take(LabPlan plan)
    {
        var hold = Lock(plan);
        if (OwnerOf(plan) is { } owner && owner != plan.State)
        {
            hold.Dispose();
            throw new LabException(
                $"There is a lab already, with its state in {owner}. Use that one, or end it first: ALVEARE_LAB_STATE={owner} ./alveare lab stop");
        }

        File.WriteAllText(FileOf(plan), plan.State + "\n");
        return new LabClaim(plan, hold);
    }

    /// <summary>The lab is no more: its name is free.</summary>
    public void Release()
    {
        File.Delete(FileOf(_plan));
        File.Delete($"{FileOf(_plan)}.lock");
    }

    public void Dispose() => _lock.Dispose();

    private static FileStream Lock(LabPlan plan)
    {
        try
        {
            // The runtime takes flock(2) for FileShare.None; the kernel lets go of it however the command ends.
            return new FileStream($"{FileOf(plan)}.lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (File.Exists($"{FileOf(plan)}.lock"))
        {
            throw new LabException("Another lab command is at work. Wait for its end, or end it.", e);
        }
    }
}
