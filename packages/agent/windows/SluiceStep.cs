// Starts the programs of steps on Windows, in a job object: what Node itself cannot do there. An administrator
// compiles it once with the compiler that comes with every Windows (C# 5): `sluice-agent windows prepare`.
//
//   SluiceStep run <result file> <job name>   one program, described on standard input, and all that it starts
//   SluiceStep alive <job name>               ends with 1 while something of a job lives, with 0 when nothing does
//   SluiceStep end <job name>                 ends everything in a job
//   SluiceStep detach <program> <words...>    starts a program outside of the job of whoever asks
//   SluiceStep boot                           prints a GUID that is another one after every start of Windows
//
//   W1. The process is created suspended, put into the job, and only then let go: nothing of it was ever outside.
//   W2. This process holds the only handle of the job, which ends with it (KILL_ON_JOB_CLOSE), however it ends.
//   W3. It ends when its standard input does: whoever started it is gone, and nobody would hear of the outcome.
//   W4. Words about accounts, passwords and variables come by standard input: arguments are seen by everybody.
//   W5. The program inherits its three standard handles and nothing else.
//
// Standard input: lines `<word> <base64 of UTF-8>`: commandLine, folder, variable (NAME=value, any number), account,
// password, input (a line for the program); then `go`. The result file says `exited <code>` or `failed <why>`.
using System;
using System.Collections.Generic;
using System.ComponentModel;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;
using Microsoft.Win32;

namespace Sluice.Windows
{
    public static class SluiceStep
    {
        public static int Main(string[] words)
        {
            try
            {
                if (words.Length == 3 && words[0] == "run") return Run(words[1], words[2]);
                if (words.Length == 2 && words[0] == "alive") return Job.IsAlive(words[1]) ? 1 : 0;
                if (words.Length == 2 && words[0] == "end") return Job.End(words[1]);
                if (words.Length >= 2 && words[0] == "detach") return Detach(words);
                if (words.Length == 1 && words[0] == "boot") return PrintBoot();
                Console.Error.WriteLine("usage: SluiceStep run|alive|end|detach|boot");
                return 2;
            }
            catch (Exception fault)
            {
                if (words.Length > 1 && words[0] == "run") Tell(words[1], "failed " + OneLine(fault.Message));
                else Console.Error.WriteLine(fault.Message);
                return 3;
            }
        }

        private static int Run(string resultFile, string jobName)
        {
            TextReader input = new StreamReader(Console.OpenStandardInput(), new UTF8Encoding(false));
            Order order = Order.Read(input);
            using (Job job = new Job(jobName))
            {
                Native.ProcessInformation started = Start(order);
                if (!Native.AssignProcessToJobObject(job.Handle, started.Process))
                {
                    int fault = Marshal.GetLastWin32Error();
                    Native.TerminateProcess(started.Process, 1);
                    throw new Win32Exception(fault);
                }
                Native.ResumeThread(started.Thread); // W1
                Thread watch = new Thread(delegate()
                {
                    while (input.Read() >= 0) { }
                    Environment.Exit(1); // W3, W2
                });
                watch.IsBackground = true;
                watch.Start();
                Native.WaitForSingleObject(started.Process, Native.Infinite);
                uint code;
                if (!Native.GetExitCodeProcess(started.Process, out code)) throw new Win32Exception();
                Tell(resultFile, "exited " + code);
                return 0;
            }
        }

        private static Native.ProcessInformation Start(Order order)
        {
            IntPtr reader = IntPtr.Zero, writer = IntPtr.Zero;
            if (order.Input != null && !Native.CreatePipe(out reader, out writer, IntPtr.Zero, 65536)) throw new Win32Exception();
            if (order.Input == null)
                reader = Native.CreateFile("NUL", 0x80000000, 3, IntPtr.Zero, 3, 0, IntPtr.Zero);
            IntPtr[] handles = { reader, Native.GetStdHandle(-11), Native.GetStdHandle(-12) };
            foreach (IntPtr handle in handles) Native.SetHandleInformation(handle, 1, 1);

            Native.StartupInfoEx startup = new Native.StartupInfoEx();
            startup.Size = Marshal.SizeOf(typeof(Native.StartupInfoEx));
            startup.Flags = 0x100; // STARTF_USESTDHANDLES
            startup.Input = handles[0];
            startup.Output = handles[1];
            startup.Error = handles[2];
            IntPtr size = IntPtr.Zero;
            Native.InitializeProcThreadAttributeList(IntPtr.Zero, 1, 0, ref size);
            IntPtr list = Marshal.AllocHGlobal(size);
            GCHandle pinned = GCHandle.Alloc(handles, GCHandleType.Pinned);
            IntPtr token = IntPtr.Zero;
            try
            {
                if (!Native.InitializeProcThreadAttributeList(list, 1, 0, ref size)) throw new Win32Exception();
                if (!Native.UpdateProcThreadAttribute(list, 0, new IntPtr(0x20002), pinned.AddrOfPinnedObject(),
                    new IntPtr(handles.Length * IntPtr.Size), IntPtr.Zero, IntPtr.Zero)) throw new Win32Exception(); // W5
                startup.Attributes = list;

                // CREATE_SUSPENDED, CREATE_UNICODE_ENVIRONMENT, EXTENDED_STARTUPINFO_PRESENT, CREATE_NO_WINDOW
                const uint flags = 0x4 | 0x400 | 0x80000 | 0x8000000;
                StringBuilder line = new StringBuilder(order.CommandLine, order.CommandLine.Length + 1);
                Native.ProcessInformation started;
                bool done;
                if (order.Account == null)
                    done = Native.CreateProcess(null, line, IntPtr.Zero, IntPtr.Zero, true, flags, order.Environment,
                        order.Folder, ref startup, out started);
                else
                {
                    token = LogOn(order);
                    // Not our desktop, which the account may not use: Windows makes one for its logon.
                    startup.Desktop = "";
                    done = Native.CreateProcessAsUser(token, null, line, IntPtr.Zero, IntPtr.Zero, true, flags,
                        order.Environment, order.Folder, ref startup, out started);
                }
                if (!done) throw new Win32Exception();
                if (order.Input != null)
                {
                    byte[] text = new UTF8Encoding(false).GetBytes(order.Input + "\n");
                    uint written;
                    Native.WriteFile(writer, text, (uint)text.Length, out written, IntPtr.Zero);
                }
                return started;
            }
            finally
            {
                if (token != IntPtr.Zero) Native.CloseHandle(token);
                Native.CloseHandle(reader);
                if (writer != IntPtr.Zero) Native.CloseHandle(writer);
                pinned.Free();
                Marshal.FreeHGlobal(list);
            }
        }

        /// <summary>As a service does; where that is not granted, as a batch job does.</summary>
        private static IntPtr LogOn(Order order)
        {
            string[] parts = order.Account.Split(new[] { '\\' }, 2);
            string user = parts[parts.Length - 1];
            string domain = parts.Length == 2 ? parts[0] : order.Account.Contains("@") ? null : ".";
            IntPtr token;
            foreach (int kind in new[] { 5, 4 })
                if (Native.LogonUser(user, domain, order.Password, kind, 0, out token)) return token;
            throw new Win32Exception();
        }

        private static int Detach(string[] words)
        {
            StringBuilder line = new StringBuilder();
            for (int i = 1; i < words.Length; i++) line.Append(i == 1 ? "" : " ").Append(CommandLine.Quote(words[i]));
            Native.StartupInfoEx startup = new Native.StartupInfoEx();
            startup.Size = Marshal.SizeOf(typeof(Native.StartupInfoEx));
            // CREATE_NO_WINDOW, CREATE_NEW_PROCESS_GROUP, EXTENDED_STARTUPINFO_PRESENT; CREATE_BREAKAWAY_FROM_JOB where the job allows it
            const uint flags = 0x8000000 | 0x200 | 0x80000;
            Native.ProcessInformation started;
            foreach (uint breakaway in new uint[] { 0x1000000, 0 })
                if (Native.CreateProcess(null, line, IntPtr.Zero, IntPtr.Zero, false, flags | breakaway, null, null, ref startup, out started))
                {
                    Console.WriteLine(started.ProcessId);
                    return 0;
                }
            throw new Win32Exception();
        }

        /// <summary>A volatile key goes with the boot, whatever the clock says.</summary>
        private static int PrintBoot()
        {
            const string name = "SOFTWARE\\Sluice\\Boot";
            using (RegistryKey key = Registry.LocalMachine.CreateSubKey(name, RegistryKeyPermissionCheck.ReadWriteSubTree, RegistryOptions.Volatile))
            {
                if (key.GetValue("Id") == null) key.SetValue("Id", Guid.NewGuid().ToString());
                Console.WriteLine(key.GetValue("Id"));
            }
            return 0;
        }

        private static void Tell(string path, string text)
        {
            File.WriteAllText(path, text + "\n", new UTF8Encoding(false));
        }

        private static string OneLine(string text)
        {
            return text.Replace('\r', ' ').Replace('\n', ' ');
        }
    }

    /// <summary>What comes on standard input.</summary>
    public sealed class Order
    {
        public string CommandLine, Folder, Account, Password, Input;
        /// <summary>As CreateProcess takes it: each variable ends with a zero, and so does the whole.</summary>
        public byte[] Environment;

        public static Order Read(TextReader input)
        {
            Order order = new Order();
            List<string> variables = new List<string>();
            for (; ; )
            {
                string line = input.ReadLine();
                if (line == null) throw new InvalidDataException("Standard input ended before the word go.");
                if (line == "go") break;
                int blank = line.IndexOf(' ');
                if (blank < 0) throw new InvalidDataException("Standard input has a line that is not understood.");
                string value = Encoding.UTF8.GetString(Convert.FromBase64String(line.Substring(blank + 1)));
                if (value.IndexOf('\0') >= 0) throw new InvalidDataException("Standard input has a zero in a value.");
                switch (line.Substring(0, blank))
                {
                    case "commandLine": order.CommandLine = value; break;
                    case "folder": order.Folder = value; break;
                    case "variable": variables.Add(value); break;
                    case "account": order.Account = value; break;
                    case "password": order.Password = value; break;
                    case "input": order.Input = value; break;
                    default: throw new InvalidDataException("Standard input has a word that is not understood.");
                }
            }
            if (order.CommandLine == null) throw new InvalidDataException("Standard input has no command line.");
            variables.Sort(StringComparer.OrdinalIgnoreCase);
            order.Environment = Encoding.Unicode.GetBytes(string.Join("\0", variables.ToArray()) + "\0\0");
            return order;
        }
    }

    public static class CommandLine
    {
        /// <summary>One word as the C runtime reads it again: backslashes count only before a quotation mark.</summary>
        public static string Quote(string word)
        {
            if (word.Length > 0 && word.IndexOfAny(new[] { ' ', '\t', '"' }) < 0) return word;
            StringBuilder quoted = new StringBuilder("\"");
            int backslashes = 0;
            foreach (char sign in word)
            {
                if (sign == '"') quoted.Append('\\', backslashes + 1);
                backslashes = sign == '\\' ? backslashes + 1 : 0;
                quoted.Append(sign);
            }
            return quoted.Append('\\', backslashes).Append('"').ToString();
        }
    }

    public sealed class Job : IDisposable
    {
        public readonly IntPtr Handle;

        public Job(string name)
        {
            Handle = Native.CreateJobObject(IntPtr.Zero, name);
            if (Handle == IntPtr.Zero) throw new Win32Exception();
            if (Marshal.GetLastWin32Error() == 183) throw new InvalidOperationException("The job is there already.");
            Native.JobLimits limits = new Native.JobLimits();
            limits.LimitFlags = 0x2000; // JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
            if (!Native.SetInformationJobObject(Handle, 9, ref limits, Marshal.SizeOf(typeof(Native.JobLimits))))
                throw new Win32Exception();
        }

        public void Dispose()
        {
            Native.CloseHandle(Handle);
        }

        public static bool IsAlive(string name)
        {
            IntPtr job = Native.OpenJobObject(4, false, name); // JOB_OBJECT_QUERY
            if (job == IntPtr.Zero) return false;
            Native.JobAccounting accounting;
            if (!Native.QueryInformationJobObject(job, 1, out accounting, Marshal.SizeOf(typeof(Native.JobAccounting)), IntPtr.Zero))
                throw new Win32Exception();
            return accounting.ActiveProcesses > 0;
        }

        public static int End(string name)
        {
            IntPtr job = Native.OpenJobObject(8, false, name); // JOB_OBJECT_TERMINATE
            if (job != IntPtr.Zero && !Native.TerminateJobObject(job, 1)) throw new Win32Exception();
            return 0;
        }
    }
}
