# The machine under Windows, and whether it is a real one.

function Read-Hardware {
    $bios = Get-Values 'HARDWARE\DESCRIPTION\System\BIOS'
    $root = 'HARDWARE\DESCRIPTION\System\CentralProcessor'
    $cores = @(Get-Keys $root)
    $clocks = foreach ($core in $cores) {
        $one = Get-Values "$root\$core"
        # The name's figure is the nominal one; ~MHz was measured at the start and may lie a little below it.
        if ("$($one.ProcessorNameString)" -match '@\s*([\d.]+)\s*GHz') { [int]([double]::Parse($Matches[1], [Globalization.CultureInfo]::InvariantCulture) * 1000) }
        elseif ($one.'~MHz') { [int]$one.'~MHz' }
    }
    $computer = Invoke-Quietly { Get-Instance Win32_ComputerSystem HypervisorPresent }
    # Who made the firmware and the board, and the OEM ids of the ACPI tables: a virtual machine keeps its own there.
    $texts = @('BIOSVendor', 'BIOSVersion', 'SystemFamily', 'BaseBoardManufacturer', 'BaseBoardProduct' | ForEach-Object { $bios.$_ }) +
        @(Invoke-Quietly { Get-Value 'HARDWARE\DESCRIPTION\System' 'SystemBiosVersion' }) +
        @('DSDT', 'FADT', 'RSDT' | ForEach-Object { $table = $_; Invoke-Quietly { Get-Keys "HARDWARE\ACPI\$table" } })
    [ordered]@{
        manufacturer = ConvertTo-Text $bios.SystemManufacturer
        model = ConvertTo-Text $bios.SystemProductName
        logical_cores = $(if ($cores.Count) { $cores.Count })
        clock_mhz = ConvertTo-Number ($clocks | Measure-Object -Minimum).Minimum
        processor = $(if ($cores.Count) { ConvertTo-Text (Get-Value "$root\$($cores[0])" 'ProcessorNameString') })
        hypervisor_present = ConvertTo-Flag $computer.HypervisorPresent
        firmware = @($texts | ForEach-Object { ConvertTo-Text $_ } | Where-Object { $_ } | Select-Object -Unique)
    }
}
