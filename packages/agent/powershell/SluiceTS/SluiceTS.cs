// The variables of the running task sequence as objects for scripts: in PowerShell through the module
// SluiceTS, and on Windows for every language of COM under the names that the original gave them,
// Microsoft.SMS.TSEnvironment and Microsoft.SMS.TSProgressUI.
//
// The objects keep nothing: they ask `sluice-ts serve`, one process as long as the script's own lives. Outside of
// a step they cannot be made; scripts find out that way whether a task sequence runs.
//
// In the language of the compiler that comes with every Windows (C# 5).
using System;
using System.Diagnostics;
using System.IO;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Sluice.Scripting
{
    [ComVisible(true), Guid("6A0F2A53-3C7E-4E0D-9B9C-5B1C9A4A6F01"), InterfaceType(ComInterfaceType.InterfaceIsDual)]
    public interface ITSEnvironment
    {
        /// <summary>Value("Name"): empty where there is none; an empty one removes it.</summary>
        [DispId(0), IndexerName("Value")]
        string this[string name] { get; set; }

        /// <summary>The names of all variables.</summary>
        [DispId(1)]
        object[] GetVariables();
    }

    [ComVisible(true), Guid("6A0F2A53-3C7E-4E0D-9B9C-5B1C9A4A6F02"), ProgId("Microsoft.SMS.TSEnvironment")]
    [ClassInterface(ClassInterfaceType.None), ComDefaultInterface(typeof(ITSEnvironment))]
    public sealed class TSEnvironment : ITSEnvironment
    {
        private readonly Conversation conversation = Conversation.Shared();

        [IndexerName("Value")]
        public string this[string name]
        {
            get { return conversation.Find("get", name); }
            set { Set(name, value, false); }
        }

        public object[] GetVariables()
        {
            string[] words = conversation.Ask("names");
            object[] names = new object[words.Length - 1];
            for (int i = 0; i < names.Length; i++) names[i] = Conversation.Decode(words[i + 1]);
            return names;
        }

        /// <summary>For people: a hidden value as asterisks.</summary>
        public string Show(string name)
        {
            return conversation.Find("show", name);
        }

        /// <param name="hidden">no log, status or page shows it from then on</param>
        public void Set(string name, string value, bool hidden)
        {
            conversation.Ask(hidden ? "hide" : "set", name, value);
        }
    }

    /// <summary>
    /// The progress window of the original. There is none here that a script could change: Software Center shows the
    /// run. What only shows something does nothing; what waits for an answer fails, since nobody gives one.
    /// </summary>
    [ComVisible(true), Guid("6A0F2A53-3C7E-4E0D-9B9C-5B1C9A4A6F03"), InterfaceType(ComInterfaceType.InterfaceIsDual)]
    public interface ITSProgressUI
    {
        [DispId(1)]
        void ShowTSProgress(string organisation, string sequence, string title, string action, int step, int steps);
        [DispId(2)]
        void ShowActionProgress(string organisation, string sequence, string title, string action, int step, int steps,
            string detail, int part, int parts);
        [DispId(3)]
        void ShowErrorDialog(string organisation, string sequence, string title, string message, int code, int timeoutSeconds,
            int willRestart, string step);
        [DispId(4)]
        void ShowRebootDialog(string organisation, string sequence, string title, string message, int timeoutSeconds);
        [DispId(5)]
        int ShowMessage(string text, string caption, int buttons);
        [DispId(6)]
        void CloseProgressDialog();
    }

    [ComVisible(true), Guid("6A0F2A53-3C7E-4E0D-9B9C-5B1C9A4A6F04"), ProgId("Microsoft.SMS.TSProgressUI")]
    [ClassInterface(ClassInterfaceType.None), ComDefaultInterface(typeof(ITSProgressUI))]
    public sealed class TSProgressUI : ITSProgressUI
    {
        public TSProgressUI()
        {
            Conversation.Shared();
        }

        public void ShowTSProgress(string organisation, string sequence, string title, string action, int step, int steps) { }

        public void ShowActionProgress(string organisation, string sequence, string title, string action, int step, int steps,
            string detail, int part, int parts) { }

        public void ShowErrorDialog(string organisation, string sequence, string title, string message, int code,
            int timeoutSeconds, int willRestart, string step) { }

        public void ShowRebootDialog(string organisation, string sequence, string title, string message, int timeoutSeconds) { }

        public int ShowMessage(string text, string caption, int buttons)
        {
            throw new InvalidOperationException("A step runs where nobody can answer: " + caption);
        }

        public void CloseProgressDialog() { }
    }

    /// <summary>Requests and answers of `sluice-ts serve`: one line each, every text in Base64.</summary>
    internal sealed class Conversation
    {
        private static readonly object only = new object();
        private static Conversation shared;

        private readonly Process process;

        private Conversation(string node, string program)
        {
            ProcessStartInfo start = new ProcessStartInfo(node, "\"" + program + "\" serve");
            start.UseShellExecute = false;
            start.CreateNoWindow = true;
            start.RedirectStandardInput = true;
            start.RedirectStandardOutput = true;
            start.EnvironmentVariables["NODE_NO_WARNINGS"] = "1";
            process = Process.Start(start);
        }

        internal static Conversation Shared()
        {
            lock (only)
            {
                if (shared != null) return shared;
                string node = Environment.GetEnvironmentVariable("SLUICE_NODE");
                string program = Environment.GetEnvironmentVariable("SLUICE_TS");
                if (string.IsNullOrEmpty(node) || string.IsNullOrEmpty(program))
                    throw new InvalidOperationException("There is no task sequence: this works in a step of one only.");
                shared = new Conversation(node, program);
                return shared;
            }
        }

        /// <summary>The words of the answer. Throws why a request was refused.</summary>
        internal string[] Ask(string order, params string[] texts)
        {
            StringBuilder line = new StringBuilder(order);
            foreach (string text in texts) line.Append(' ').Append(Encode(text));
            byte[] request = Encoding.ASCII.GetBytes(line.Append('\n').ToString());
            string answer;
            lock (only)
            {
                Stream input = process.StandardInput.BaseStream;
                input.Write(request, 0, request.Length);
                input.Flush();
                answer = process.StandardOutput.ReadLine();
            }
            if (answer == null) throw new InvalidOperationException("The variables of the task sequence cannot be reached.");
            string[] words = answer.Split(' ');
            if (words[0] == "refused") throw new InvalidOperationException(Decode(words[1]));
            return words;
        }

        /// <summary>Empty where there is no such variable.</summary>
        internal string Find(string order, string name)
        {
            string[] words = Ask(order, name);
            return words.Length > 1 ? Decode(words[1]) : "";
        }

        internal static string Decode(string word)
        {
            return word == "-" ? "" : Encoding.UTF8.GetString(Convert.FromBase64String(word));
        }

        private static string Encode(string text)
        {
            return string.IsNullOrEmpty(text) ? "-" : Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
        }
    }
}
