using System.ComponentModel;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Alveare.Lab.Networks;

/// <summary>Opens sockets inside a network namespace. A socket stays in the namespace it was made in, whoever uses it later.</summary>
public static class NamespaceSocket
{
    private const int NewNetwork = 0x40000000;

    public static Socket CreateTcp(string namespaceName)
    {
        Socket? socket = null;
        Exception? failure = null;
        // A thread that entered a namespace is not fit for other work: it ends here.
        var thread = new Thread(() =>
        {
            try
            {
                using var handle = File.OpenHandle($"/run/netns/{namespaceName}");
                if (SetNamespace(handle, NewNetwork) != 0)
                    throw new Win32Exception();
                socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            }
            catch (Exception e) when (e is IOException or Win32Exception or SocketException or UnauthorizedAccessException)
            {
                failure = e;
            }
        });
        thread.Start();
        thread.Join();
        return socket ?? throw new LabException($"Network namespace {namespaceName} cannot be entered: {failure!.Message}", failure);
    }

    [DllImport("libc", EntryPoint = "setns", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SetNamespace(SafeFileHandle handle, int kind);
}
