# The variables of the running task sequence. Importing fails outside of a step of one.

if (-not ('Sluice.Scripting.TSEnvironment' -as [type])) {
    Add-Type -Path (Join-Path $PSScriptRoot 'SluiceTS.cs')
}
$TSEnv = New-Object Sluice.Scripting.TSEnvironment

<#
.SYNOPSIS
The value of a variable, empty where there is none; without a name, all variables with hidden values as asterisks.
#>
function Get-TSVariable {
    [CmdletBinding()]
    param([Parameter(Position = 0)][string] $Name)
    if ($Name) { return $TSEnv.Value($Name) }
    foreach ($each in $TSEnv.GetVariables()) {
        New-Object PSObject -Property @{ Name = $each; Value = $TSEnv.Show($each) }
    }
}

<#
.SYNOPSIS
Sets a variable. An empty value removes it. A hidden one is shown nowhere from then on.
#>
function Set-TSVariable {
    [CmdletBinding()]
    param(
        [Parameter(Position = 0, Mandatory = $true)][string] $Name,
        [Parameter(Position = 1, ValueFromPipeline = $true)][AllowEmptyString()][string] $Value,
        [switch] $Hidden
    )
    process { $TSEnv.Set($Name, $Value, $Hidden.IsPresent) }
}

<#
.SYNOPSIS
Removes a variable.
#>
function Remove-TSVariable {
    [CmdletBinding()]
    param([Parameter(Position = 0, Mandatory = $true)][string] $Name)
    $TSEnv.Set($Name, '', $false)
}

Export-ModuleMember -Function Get-TSVariable, Set-TSVariable, Remove-TSVariable -Variable TSEnv
