namespace Alveare.Running;

/// <summary>Why a program cannot run, as a sentence for whoever started it.</summary>
internal sealed class ProgramError(string message, Exception? inner = null) : Exception(message, inner);
