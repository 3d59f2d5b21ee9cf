/**
 * Every step class that has been seen (task-sequence-xml §10), with the name that the original's
 * editor shows, and where it can run at all. Classes that Sluice runs have a form in steps/; the
 * rest is kept.
 */

export type Home =
  /** Exists in Windows PE only. */
  | 'windowsPE'
  /** Runs in the full system on Windows; not here yet. */
  | 'notYet'
  /** Needs a deployment share of the Microsoft Deployment Toolkit. */
  | 'deploymentShare'
  /** Prepares, captures or restores in deployments that wipe a computer. */
  | 'wipeAndLoad'

export interface StepClass {
  title: string
  home: Home
}

const sms = (names: Record<string, string>, home: Home): [string, StepClass][] =>
  Object.entries(names).map(([name, title]) => [`SMS_TaskSequence_${name}`, { title, home }])
const bdd = (names: Record<string, string>): [string, StepClass][] =>
  Object.entries(names).map(([name, title]) => [`BDD_${name}`, { title, home: 'deploymentShare' }])

export const stepClasses: ReadonlyMap<string, StepClass> = new Map([
  ...sms(
    {
      RunCommandLineAction: 'Run Command Line',
      SetVariableAction: 'Set Task Sequence Variable',
      RebootAction: 'Restart Computer',
      PrestartCheckAction: 'Check Readiness',
      DownloadPackageContentAction: 'Download Package Content',
      UpgradeOperatingSystemAction: 'Upgrade Operating System',
      RunPowerShellScriptAction: 'Run PowerShell Script',
      SetDynamicVariablesAction: 'Set Dynamic Variables',
      InstallApplicationAction: 'Install Application',
      InstallSoftwareAction: 'Install Package',
      InstallUpdateAction: 'Install Software Updates',
      ConnectNetworkFolderAction: 'Connect To Network Folder',
      EnableBitLockerAction: 'Enable BitLocker',
      DisableBitLockerAction: 'Disable BitLocker',
      JoinDomainWorkgroupAction: 'Join Domain or Workgroup',
      SubTasksequence: 'Run Task Sequence',
    },
    'notYet',
  ),
  ...sms(
    {
      PartitionDiskAction: 'Format and Partition Disk',
      ConvertDiskAction: 'Convert Disk to Dynamic',
      ApplyOperatingSystemAction: 'Apply Operating System Image',
      ApplyDataImageAction: 'Apply Data Image',
      ApplyDriverPackageAction: 'Apply Driver Package',
      AutoApplyAction: 'Auto Apply Drivers',
      ApplyNetworkSettingsAction: 'Apply Network Settings',
      ApplyWindowsSettingsAction: 'Apply Windows Settings',
      SetupWindowsAndSMSAction: 'Setup Windows and ConfigMgr',
      OfflineEnableBitLockerAction: 'Pre-provision BitLocker',
      CaptureSystemImageAction: 'Capture Operating System Image',
    },
    'windowsPE',
  ),
  ...sms(
    {
      CaptureNetworkSettingsAction: 'Capture Network Settings',
      CaptureWindowsSettingsAction: 'Capture Windows Settings',
      CaptureUserStateAction: 'Capture User State',
      RestoreUserStateAction: 'Restore User State',
      RequestStateStoreAction: 'Request State Store',
      ReleaseStateStoreAction: 'Release State Store',
      PrepareSMSClientAction: 'Prepare ConfigMgr Client for Capture',
      PrepareOSAction: 'Prepare Windows for Capture',
      InstallDeployToolsAction: 'Install Deployment Tools',
      VirtualHardDiskAction: 'Create Virtual Hard Disk',
    },
    'wipeAndLoad',
  ),
  ...bdd({
    Gather: 'Gather',
    Validate: 'Validate',
    InstallApplication: 'Install Application',
    InstallUpdatesOffline: 'Install Updates Offline',
    InstallLanguagePacksOffline: 'Install Language Packs Offline',
    InstallLanguagePacksOnline: 'Install Language Packs Online',
    InjectDrivers: 'Inject Drivers',
    InstallOS: 'Install Operating System',
    UpgradeOS: 'Upgrade Windows',
    RunPowerShellAction: 'Run PowerShell Script',
    RecoverDomainJoin: 'Recover From Domain',
    InstallRoles: 'Install Roles and Features',
    UninstallRoles: 'Uninstall Roles and Features',
    UsePackage: 'Use Toolkit Package',
    ExecuteRunbook: 'Execute Runbook',
    ConfigureADDS: 'Configure ADDS',
    ConfigureDNS: 'Configure DNS',
    ConfigureDHCP: 'Configure DHCP',
    AuthorizeDHCP: 'Authorize DHCP',
  }),
])
