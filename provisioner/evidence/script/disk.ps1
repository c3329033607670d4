# The room on C:.

function Read-Disk {
    $drive = Get-Drive
    [ordered]@{ drive = 'C:'; free_bytes = $drive.TotalFreeSpace; total_bytes = $drive.TotalSize }
}
