namespace Alveare.Kvm.Qmp;

/// <summary>QEMU refused a command, with its own error class and text.</summary>
public sealed class QmpException(string command, string errorClass, string description)
    : Exception($"QEMU refused '{command}': {description}")
{
    public string Command { get; } = command;

    /// <summary>QEMU's class, such as <c>GenericError</c> or <c>CommandNotFound</c>.</summary>
    public string ErrorClass { get; } = errorClass;

    public string Description { get; } = description;
}

/// <summary>The connection to QEMU ended before the answer came: the process is gone, or it hangs past the time allowed.</summary>
/// <param name="isGone">Whether the connection ended, rather than the patience of who waited.</param>
public sealed class QmpClosedException(string reason, bool isGone = true) : Exception(reason)
{
    /// <summary>Whether the connection ended: nobody is there any more.</summary>
    public bool IsGone { get; } = isGone;
}
