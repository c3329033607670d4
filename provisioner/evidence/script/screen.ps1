# The screens, as the video adapters have them.

function Read-Screen {
    $adapters = @(Get-Instance Win32_VideoController Name, CurrentHorizontalResolution, CurrentVerticalResolution)
    $remote = Invoke-Quietly { @(Get-Sessions | Where-Object { $_.Kind -eq 'remote' }).Count -gt 0 }
    [ordered]@{
        adapters = @(foreach ($one in $adapters) {
            [ordered]@{ name = ConvertTo-Text $one.Name; width = ConvertTo-Number $one.CurrentHorizontalResolution; height = ConvertTo-Number $one.CurrentVerticalResolution }
        })
        remote_session = $remote
    }
}
