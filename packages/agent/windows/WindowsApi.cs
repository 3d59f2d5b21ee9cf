// What SluiceStep.cs calls of Windows.
using System;
using System.Runtime.InteropServices;
using System.Text;

namespace Sluice.Windows
{
    /// <summary>Functions and structures of the Windows API, by their names there.</summary>
    public static class Native
    {
        public const uint Infinite = 0xffffffff;

        [StructLayout(LayoutKind.Sequential)]
        public struct JobLimits // JOBOBJECT_EXTENDED_LIMIT_INFORMATION
        {
            public long PerProcessUserTimeLimit, PerJobUserTimeLimit;
            public uint LimitFlags;
            public UIntPtr MinimumWorkingSetSize, MaximumWorkingSetSize;
            public uint ActiveProcessLimit;
            public UIntPtr Affinity;
            public uint PriorityClass, SchedulingClass;
            public ulong ReadOperations, WriteOperations, OtherOperations, ReadBytes, WrittenBytes, OtherBytes;
            public UIntPtr ProcessMemoryLimit, JobMemoryLimit, PeakProcessMemory, PeakJobMemory;
        }

        [StructLayout(LayoutKind.Sequential)]
        public struct JobAccounting // JOBOBJECT_BASIC_ACCOUNTING_INFORMATION
        {
            public long TotalUserTime, TotalKernelTime, ThisPeriodUserTime, ThisPeriodKernelTime;
            public uint PageFaults, TotalProcesses, ActiveProcesses, TerminatedProcesses;
        }

        [StructLayout(LayoutKind.Sequential, CharSet = CharSet.Unicode)]
        public struct StartupInfoEx // STARTUPINFOEXW
        {
            public int Size;
            public string Reserved, Desktop, Title;
            public int X, Y, XSize, YSize, XCountChars, YCountChars, FillAttribute, Flags;
            public short ShowWindow, ReservedSize;
            public IntPtr ReservedBytes, Input, Output, Error, Attributes;
        }

        [StructLayout(LayoutKind.Sequential)]
        public struct ProcessInformation
        {
            public IntPtr Process, Thread;
            public uint ProcessId, ThreadId;
        }

        private const string Kernel = "kernel32.dll", Advanced = "advapi32.dll";

        [DllImport(Kernel, SetLastError = true, CharSet = CharSet.Unicode)]
        public static extern IntPtr CreateJobObject(IntPtr security, string name);
        [DllImport(Kernel, SetLastError = true, CharSet = CharSet.Unicode)]
        public static extern IntPtr OpenJobObject(uint access, bool inherit, string name);
        [DllImport(Kernel, SetLastError = true)]
        public static extern bool SetInformationJobObject(IntPtr job, int kind, ref JobLimits limits, int size);
        [DllImport(Kernel, SetLastError = true)]
        public static extern bool QueryInformationJobObject(IntPtr job, int kind, out JobAccounting accounting, int size, IntPtr used);
        [DllImport(Kernel, SetLastError = true)]
        public static extern bool AssignProcessToJobObject(IntPtr job, IntPtr process);
        [DllImport(Kernel, SetLastError = true)]
        public static extern bool TerminateJobObject(IntPtr job, uint code);
        [DllImport(Kernel, SetLastError = true)]
        public static extern bool TerminateProcess(IntPtr process, uint code);
        [DllImport(Kernel, SetLastError = true)]
        public static extern uint ResumeThread(IntPtr thread);
        [DllImport(Kernel, SetLastError = true)]
        public static extern uint WaitForSingleObject(IntPtr handle, uint ms);
        [DllImport(Kernel, SetLastError = true)]
        public static extern bool GetExitCodeProcess(IntPtr process, out uint code);
        [DllImport(Kernel, SetLastError = true)]
        public static extern bool CloseHandle(IntPtr handle);
        [DllImport(Kernel, SetLastError = true)]
        public static extern IntPtr GetStdHandle(int which);
        [DllImport(Kernel, SetLastError = true)]
        public static extern bool SetHandleInformation(IntPtr handle, uint mask, uint flags);
        [DllImport(Kernel, SetLastError = true)]
        public static extern bool CreatePipe(out IntPtr reader, out IntPtr writer, IntPtr security, uint size);
        [DllImport(Kernel, SetLastError = true)]
        public static extern bool WriteFile(IntPtr file, byte[] bytes, uint count, out uint written, IntPtr overlapped);
        [DllImport(Kernel, SetLastError = true, CharSet = CharSet.Unicode)]
        public static extern IntPtr CreateFile(string name, uint access, uint share, IntPtr security, uint create, uint flags, IntPtr template);
        [DllImport(Kernel, SetLastError = true)]
        public static extern bool InitializeProcThreadAttributeList(IntPtr list, int count, int flags, ref IntPtr size);
        [DllImport(Kernel, SetLastError = true)]
        public static extern bool UpdateProcThreadAttribute(IntPtr list, uint flags, IntPtr attribute, IntPtr value, IntPtr size, IntPtr before, IntPtr returned);
        [DllImport(Kernel, SetLastError = true, CharSet = CharSet.Unicode)]
        public static extern bool CreateProcess(string program, StringBuilder line, IntPtr process, IntPtr thread, bool inherit, uint flags,
            byte[] environment, string folder, ref StartupInfoEx startup, out ProcessInformation started);
        [DllImport(Advanced, SetLastError = true, CharSet = CharSet.Unicode)]
        public static extern bool CreateProcessAsUser(IntPtr token, string program, StringBuilder line, IntPtr process, IntPtr thread, bool inherit,
            uint flags, byte[] environment, string folder, ref StartupInfoEx startup, out ProcessInformation started);
        [DllImport(Advanced, SetLastError = true, CharSet = CharSet.Unicode)]
        public static extern bool LogonUser(string user, string domain, string password, int kind, int provider, out IntPtr token);
    }
}
