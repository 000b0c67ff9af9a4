using Alveare.Model.Faults;

namespace Alveare.HostLink.Messages;

/// <summary>Faults to and from their envelope.</summary>
internal static class FaultMessages
{
    public static FaultMessage ToMessage(this Fault fault) =>
        new() { Json = LinkJson.Write(fault), Code = fault.Code, Sentence = fault.Message };

    /// <summary>The fault a host sent. One that this side does not know keeps its sentence.</summary>
    public static Fault ToFault(this FaultMessage message, string hostName)
    {
        try
        {
            return LinkJson.Read<Fault>(message.Json, "This center", reason => new HostAnswerInvalid(hostName, reason));
        }
        catch (FaultException e) when (e.Fault is Unsupported && message.Sentence.Length > 0)
        {
            return new HostOperationFailed($"A command to host '{hostName}'", $"{message.Code}: {message.Sentence.TrimEnd('.')}");
        }
        catch (FaultException e)
        {
            return e.Fault;
        }
    }
}
