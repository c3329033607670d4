# As whom the script runs, and with which rights.

function Read-Account {
    $identity = [Security.Principal.WindowsIdentity]::GetCurrent()
    $administrators = New-Object Security.Principal.SecurityIdentifier 'S-1-5-32-544'
    $elevated = (New-Object Security.Principal.WindowsPrincipal $identity).IsInRole($administrators)
    # A group that UAC took away stays in the token as one that can only deny.
    $denied = Invoke-Quietly { @($identity.Claims | Where-Object { $_.Type -like '*/denyonlysid' -and $_.Value -eq 'S-1-5-32-544' }).Count -gt 0 }
    $place = $identity.Name.Split('\')[0]
    [ordered]@{
        user = $identity.Name
        administrator = [bool]($elevated -or $denied)
        elevated = $elevated
        local = $(if ("$($identity.User)" -like 'S-1-5-21-*') { Test-Same $place (Get-Here 'name') })
    }
}
