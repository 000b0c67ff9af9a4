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
public sealed class QmpClosedException(string reason) : Exception(reason);
