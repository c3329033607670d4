# The memory.

function Read-Memory {
    $system = Get-Instance Win32_OperatingSystem TotalVisibleMemorySize, FreePhysicalMemory
    [ordered]@{
        total_bytes = $(if ($system.TotalVisibleMemorySize) { [long]$system.TotalVisibleMemorySize * 1024 })
        available_bytes = $(if ($system.FreePhysicalMemory) { [long]$system.FreePhysicalMemory * 1024 })
    }
}
