using System.CommandLine;
using Alveare.Cli.Running;

namespace Alveare.Cli.Commands;

/// <summary><c>completion bash|zsh</c>: what a shell needs to complete commands, options and names.</summary>
internal static class CompletionCommand
{
    // The shell gives the whole line and where the cursor is; the program itself answers with the words that fit.
    private const string Bash =
        """
        _alveare() {
          local IFS=$'\n' line=${COMP_LINE} point=${COMP_POINT}
          COMPREPLY=($(${COMP_WORDS[0]} "[suggest:${point}]" "${line}" 2>/dev/null))
        }
        complete -F _alveare alveare ./alveare
        """;

    private const string Zsh =
        """
        #compdef alveare
        _alveare() {
          local -a words_that_fit
          words_that_fit=("${(@f)$(${words[1]} "[suggest:${CURSOR}]" "${BUFFER}" 2>/dev/null)}")
          compadd -a words_that_fit
        }
        compdef _alveare alveare ./alveare
        """;

    public static Command New(CliCommands commands)
    {
        var shell = Takes.NameAmong("SHELL", "bash or zsh", "bash", "zsh");
        return commands.New("completion", "Print the completion of a shell: source <(alveare completion bash)", [shell], async run =>
        {
            await run.Environment.Out.WriteLineAsync(run.Value(shell) == "bash" ? Bash : Zsh);
            return ExitCode.Done;
        });
    }
}
