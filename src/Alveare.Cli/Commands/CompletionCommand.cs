using System.CommandLine;
using Alveare.Cli.Running;

namespace Alveare.Cli.Commands;

/// <summary><c>completion bash|zsh|fish</c>: what a shell needs to complete commands, options and names.</summary>
internal static class CompletionCommand
{
    // The shell gives the whole line and where the cursor is; the program itself answers with the words that fit. Options are offered once a dash
    // is typed, as in other programs: before that there are more of them than of anything else.
    private const string Bash =
        """
        _alveare() {
          local IFS=$'\n' word
          COMPREPLY=()
          for word in $("${COMP_WORDS[0]}" "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null); do
            [[ $word == -* && ${COMP_WORDS[COMP_CWORD]} != -* ]] && continue
            [[ $word == "${COMP_WORDS[COMP_CWORD]}"* ]] && COMPREPLY+=("$(printf %q "$word")")
          done
        }
        complete -F _alveare alveare ./alveare
        """;

    private const string Zsh =
        """
        #compdef alveare
        _alveare() {
          local -a words_that_fit
          words_that_fit=("${(@f)$(${words[1]} "[suggest:${CURSOR}]" "${BUFFER}" 2>/dev/null)}")
          [[ $PREFIX == -* ]] || words_that_fit=(${words_that_fit:#-*})
          compadd -a words_that_fit
        }
        compdef _alveare alveare ./alveare
        """;

    private const string Fish =
        """
        function __alveare_words
            set -l line (commandline -cp)
            set -l program (commandline -opc)[1]
            $program "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null
        end
        complete -c alveare -f -a '(__alveare_words)'
        """;

    public static Command New(CliCommands commands)
    {
        var shell = Takes.NameAmong("SHELL", "bash, zsh or fish", "bash", "zsh", "fish");
        return commands.New("completion", "Print the completion of a shell: source <(alveare completion bash)", [shell], async run =>
        {
            await run.Environment.Out.WriteLineAsync(run.Value(shell) switch { "bash" => Bash, "zsh" => Zsh, _ => Fish });
            return ExitCode.Done;
        });
    }
}
