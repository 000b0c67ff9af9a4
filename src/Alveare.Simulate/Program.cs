using Alveare.Simulate;

return SimulateCommand.Run(args, Console.Out, Console.Error);
