await Console.Error.WriteLineAsync("The command line program is not written yet: see the section 'Where it stands' of the README.");
return 1;
