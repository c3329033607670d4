# Whether a restart is asked for.

function Read-Reboot {
    $windows = 'SOFTWARE\Microsoft\Windows\CurrentVersion'
    $control = 'SYSTEM\CurrentControlSet\Control'
    $session = Get-Values "$control\Session Manager"
    $named = (Get-Value "$control\ComputerName\ActiveComputerName" 'ComputerName'), (Get-Value "$control\ComputerName\ComputerName" 'ComputerName')
    $signs = [ordered]@{
        'Component Based Servicing: RebootPending' = @(Get-Keys "$windows\Component Based Servicing") -contains 'RebootPending'
        'Windows Update: RebootRequired' = @(Get-Keys "$windows\WindowsUpdate\Auto Update") -contains 'RebootRequired'
        'Windows Update: a restart is asked for' = (ConvertTo-Flag (Get-Value 'SOFTWARE\Microsoft\WindowsUpdate\UX\StateVariables' 'RebootRequired')) -eq $true
        'Windows Update: services pending' = @(Get-Keys "$windows\WindowsUpdate\Services\Pending").Count -gt 0
        'files to be renamed' = @($session.PendingFileRenameOperations, $session.PendingFileRenameOperations2 | Where-Object { $_ }).Count -gt 0
        'RunOnce: DVDRebootSignal' = $null -ne (Get-Value "$windows\RunOnce" 'DVDRebootSignal')
        'the computer gets another name' = [bool]($named[0] -and $named[1] -and -not (Test-Same $named[0] $named[1]))
        'joining a domain' = @(Get-Keys 'SYSTEM\CurrentControlSet\Services\Netlogon') -contains 'JoinDomain'
    }
    $reasons = @($signs.Keys | Where-Object { $signs[$_] })
    [ordered]@{ pending = $reasons.Count -gt 0; reasons = $reasons }
}
