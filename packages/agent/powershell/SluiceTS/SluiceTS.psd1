@{
    RootModule        = 'SluiceTS.psm1'
    ModuleVersion     = '0.1.0'
    GUID              = '6a0f2a53-3c7e-4e0d-9b9c-5b1c9a4a6f00'
    Author            = 'Sluice'
    Description       = 'Reads and sets the variables of the running task sequence.'
    PowerShellVersion = '5.1'
    FileList          = @('SluiceTS.psd1', 'SluiceTS.psm1', 'SluiceTS.cs')
    FunctionsToExport = @('Get-TSVariable', 'Set-TSVariable', 'Remove-TSVariable')
    CmdletsToExport   = @()
    AliasesToExport   = @()
    VariablesToExport = @('TSEnv')
}
