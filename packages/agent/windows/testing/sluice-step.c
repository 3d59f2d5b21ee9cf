/* The calls of SluiceStep.cs in their order, in C: it runs where Windows is not and .NET is not, so that tests under
 * Wine prove the order of calls, the protocol and what a job does. Not part of what is installed anywhere. */
#define _WIN32_WINNT 0x0601
#include <windows.h>
#include <wincrypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static wchar_t *result_file;

static void fail(const char *what) {
    DWORD fault = GetLastError();
    FILE *file = result_file ? _wfopen(result_file, L"wb") : stderr;
    fprintf(file, "failed %s: %lu\n", what, fault);
    fflush(file);
    ExitProcess(3);
}

static wchar_t *decode(const char *text, int *length) {
    DWORD size = 0;
    if (!CryptStringToBinaryA(text, 0, CRYPT_STRING_BASE64, NULL, &size, NULL, NULL)) size = 0;
    BYTE *bytes = calloc(size + 1, 1);
    if (size) CryptStringToBinaryA(text, 0, CRYPT_STRING_BASE64, bytes, &size, NULL, NULL);
    wchar_t *wide = calloc(size + 2, sizeof *wide);
    *length = size ? MultiByteToWideChar(CP_UTF8, 0, (char *)bytes, size, wide, size + 1) : 0;
    free(bytes);
    return wide;
}

static wchar_t *command_line, *folder, *account, *password, *environment;
static char *input_line;
static int environment_length;

static void read_order(void) {
    static char line[1 << 20];
    environment = calloc(1 << 20, sizeof *environment);
    for (;;) {
        if (!fgets(line, sizeof line, stdin)) fail("Standard input ended before the word go");
        line[strcspn(line, "\r\n")] = 0;
        if (!strcmp(line, "go")) return;
        char *blank = strchr(line, ' ');
        if (!blank) fail("Standard input has a line that is not understood");
        *blank = 0;
        int length;
        wchar_t *value = decode(blank + 1, &length);
        if (!strcmp(line, "commandLine")) command_line = value;
        else if (!strcmp(line, "folder")) folder = value;
        else if (!strcmp(line, "account")) account = value;
        else if (!strcmp(line, "password")) password = value;
        else if (!strcmp(line, "input")) {
            input_line = calloc(length * 4 + 2, 1);
            WideCharToMultiByte(CP_UTF8, 0, value, length, input_line, length * 4, NULL, NULL);
            strcat(input_line, "\n");
        } else if (!strcmp(line, "variable")) {
            memcpy(environment + environment_length, value, length * sizeof *value);
            environment_length += length + 1;
        } else fail("Standard input has a word that is not understood");
    }
}

static DWORD WINAPI watch(void *unused) {
    while (getchar() != EOF) { }
    ExitProcess(1);
}

static PROCESS_INFORMATION start(void) {
    HANDLE reader, writer = NULL;
    if (input_line) {
        if (!CreatePipe(&reader, &writer, NULL, 65536)) fail("CreatePipe");
    } else reader = CreateFileW(L"NUL", GENERIC_READ, 3, NULL, OPEN_EXISTING, 0, NULL);
    HANDLE handles[3] = { reader, GetStdHandle(STD_OUTPUT_HANDLE), GetStdHandle(STD_ERROR_HANDLE) };
    for (int i = 0; i < 3; i++) SetHandleInformation(handles[i], HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
    STARTUPINFOEXW startup = { 0 };
    startup.StartupInfo.cb = sizeof startup;
    startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    startup.StartupInfo.hStdInput = handles[0];
    startup.StartupInfo.hStdOutput = handles[1];
    startup.StartupInfo.hStdError = handles[2];
    SIZE_T size = 0;
    InitializeProcThreadAttributeList(NULL, 1, 0, &size);
    startup.lpAttributeList = malloc(size);
    if (!InitializeProcThreadAttributeList(startup.lpAttributeList, 1, 0, &size)) fail("InitializeProcThreadAttributeList");
    if (!UpdateProcThreadAttribute(startup.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, handles, sizeof handles, NULL, NULL))
        fail("UpdateProcThreadAttribute");
    DWORD flags = CREATE_SUSPENDED | CREATE_UNICODE_ENVIRONMENT | EXTENDED_STARTUPINFO_PRESENT | CREATE_NO_WINDOW;
    PROCESS_INFORMATION started;
    if (!account) {
        if (!CreateProcessW(NULL, command_line, NULL, NULL, TRUE, flags, environment, folder, &startup.StartupInfo, &started))
            fail("CreateProcess");
    } else {
        HANDLE token;
        wchar_t *user = wcschr(account, '\\'), *domain = wcschr(account, '@') ? NULL : L".";
        if (user) { *user++ = 0; domain = account; } else user = account;
        if (!LogonUserW(user, domain, password, LOGON32_LOGON_SERVICE, 0, &token) &&
            !LogonUserW(user, domain, password, LOGON32_LOGON_BATCH, 0, &token)) fail("LogonUser");
        startup.StartupInfo.lpDesktop = L"";
        if (!CreateProcessAsUserW(token, NULL, command_line, NULL, NULL, TRUE, flags, environment, folder, &startup.StartupInfo, &started))
            fail("CreateProcessAsUser");
        CloseHandle(token);
    }
    DWORD written;
    if (input_line) WriteFile(writer, input_line, strlen(input_line), &written, NULL);
    CloseHandle(reader);
    if (writer) CloseHandle(writer);
    return started;
}

static int run(wchar_t *job_name) {
    read_order();
    HANDLE job = CreateJobObjectW(NULL, job_name);
    if (!job) fail("CreateJobObject");
    if (GetLastError() == ERROR_ALREADY_EXISTS) fail("The job is there already");
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = { 0 };
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    if (!SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits)) fail("SetInformationJobObject");
    PROCESS_INFORMATION started = start();
    if (!AssignProcessToJobObject(job, started.hProcess)) {
        TerminateProcess(started.hProcess, 1);
        fail("AssignProcessToJobObject");
    }
    ResumeThread(started.hThread);
    CreateThread(NULL, 0, watch, NULL, 0, NULL);
    WaitForSingleObject(started.hProcess, INFINITE);
    DWORD code;
    GetExitCodeProcess(started.hProcess, &code);
    FILE *file = _wfopen(result_file, L"wb");
    fprintf(file, "exited %lu\n", code);
    fclose(file);
    CloseHandle(job);
    ExitProcess(0);
}

static int boot(void) {
    HKEY key;
    wchar_t id[64];
    DWORD size = sizeof id;
    if (RegCreateKeyExW(HKEY_LOCAL_MACHINE, L"SOFTWARE\\Sluice\\Boot", 0, NULL, REG_OPTION_VOLATILE, KEY_READ | KEY_WRITE, NULL, &key, NULL))
        fail("RegCreateKeyEx");
    if (RegQueryValueExW(key, L"Id", NULL, NULL, (BYTE *)id, &size)) {
        GUID guid;
        CoCreateGuid(&guid);
        swprintf(id, 64, L"%08lx-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", guid.Data1, guid.Data2, guid.Data3, guid.Data4[0],
            guid.Data4[1], guid.Data4[2], guid.Data4[3], guid.Data4[4], guid.Data4[5], guid.Data4[6], guid.Data4[7]);
        RegSetValueExW(key, L"Id", 0, REG_SZ, (BYTE *)id, (wcslen(id) + 1) * sizeof *id);
    }
    printf("%ls\n", id);
    return 0;
}

/* Everything after the first two words, as it was written: SluiceStep.cs quotes the words again. */
static int detach(void) {
    wchar_t *line = GetCommandLineW();
    for (int skip = 0; skip < 2; skip++) {
        int quoted = 0;
        for (; *line && (quoted || *line != ' '); line++) if (*line == '"') quoted = !quoted;
        while (*line == ' ') line++;
    }
    STARTUPINFOEXW startup = { 0 };
    startup.StartupInfo.cb = sizeof startup;
    DWORD flags = CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP | EXTENDED_STARTUPINFO_PRESENT, breakaway[] = { CREATE_BREAKAWAY_FROM_JOB, 0 };
    PROCESS_INFORMATION started;
    for (int i = 0; i < 2; i++)
        if (CreateProcessW(NULL, line, NULL, NULL, FALSE, flags | breakaway[i], NULL, NULL, &startup.StartupInfo, &started)) {
            printf("%lu\n", started.dwProcessId);
            return 0;
        }
    fail("CreateProcess");
    return 3;
}

/* The sizes that SluiceStep.cs must have as well. */
static int sizes(void) {
    printf("%d %d %d %d\n", (int)sizeof(JOBOBJECT_EXTENDED_LIMIT_INFORMATION), (int)sizeof(JOBOBJECT_BASIC_ACCOUNTING_INFORMATION),
        (int)sizeof(STARTUPINFOEXW), (int)sizeof(PROCESS_INFORMATION));
    return 0;
}

int wmain(int count, wchar_t **words) {
    if (count == 4 && !wcscmp(words[1], L"run")) { result_file = words[2]; return run(words[3]); }
    if (count == 3 && !wcscmp(words[1], L"alive")) {
        HANDLE job = OpenJobObjectW(JOB_OBJECT_QUERY, FALSE, words[2]);
        JOBOBJECT_BASIC_ACCOUNTING_INFORMATION accounting = { 0 };
        if (!job) return 0;
        if (!QueryInformationJobObject(job, JobObjectBasicAccountingInformation, &accounting, sizeof accounting, NULL)) fail("QueryInformationJobObject");
        return accounting.ActiveProcesses > 0;
    }
    if (count == 3 && !wcscmp(words[1], L"end")) {
        HANDLE job = OpenJobObjectW(JOB_OBJECT_TERMINATE, FALSE, words[2]);
        if (job && !TerminateJobObject(job, 1)) fail("TerminateJobObject");
        return 0;
    }
    if (count >= 3 && !wcscmp(words[1], L"detach")) return detach();
    if (count == 2 && !wcscmp(words[1], L"boot")) return boot();
    if (count == 2 && !wcscmp(words[1], L"sizes")) return sizes();
    fputs("usage: SluiceStep run|alive|end|detach|boot\n", stderr);
    return 2;
}
