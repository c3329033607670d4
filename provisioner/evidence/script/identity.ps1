# Which PC this is.

function Read-Identity {
    $computer = Invoke-Quietly { Get-Instance Win32_ComputerSystem PartOfDomain }
    $bios = Invoke-Quietly { Get-Instance Win32_BIOS SerialNumber }
    [ordered]@{
        computer_name = Get-Here 'name'
        domain = ConvertTo-Text (Get-Value 'SYSTEM\CurrentControlSet\Services\Tcpip\Parameters' 'Domain')
        domain_joined = ConvertTo-Flag $computer.PartOfDomain
        serial = ConvertTo-Text $bios.SerialNumber
        machine_guid = ConvertTo-Text (Get-Value 'SOFTWARE\Microsoft\Cryptography' 'MachineGuid')
    }
}
