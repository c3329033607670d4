"""What the records do not hold and is known of Windows PowerShell 5.1 all the same, from its documentation."""

# Commands that live in the engine itself and stand in no module of the records.
BUILT_IN = {
    "clear-host", "get-verb", "help", "importsystemmodules", "mkdir", "more", "oss", "pause", "prompt", "tabexpansion2",
    "cd..", "cd\\", "a:", "b:", "c:", "d:",
}  # fmt: skip

COMMON = (
    "Verbose", "Debug", "ErrorAction", "WarningAction", "InformationAction", "ErrorVariable", "WarningVariable",
    "InformationVariable", "OutVariable", "OutBuffer", "PipelineVariable",
)  # fmt: skip
COMMON_ALIASES = {
    "vb": "Verbose", "db": "Debug", "ea": "ErrorAction", "wa": "WarningAction", "infa": "InformationAction",
    "ev": "ErrorVariable", "wv": "WarningVariable", "iv": "InformationVariable", "ov": "OutVariable",
    "ob": "OutBuffer", "pv": "PipelineVariable",
}  # fmt: skip
COMMON_SWITCHES = {"Verbose", "Debug"}
SWITCH = "System.Management.Automation.SwitchParameter"

# There before any Add-Type: the assemblies of the recorded type accelerators, and those that the engine is built on.
LOADED = {
    "mscorlib", "System", "System.Core", "System.Xml", "System.Management", "System.DirectoryServices",
    "System.Numerics", "System.Management.Automation", "Microsoft.Management.Infrastructure",
}  # fmt: skip

# Set by PowerShell 6 or 7 and not by 5.1.
NEW_VARIABLES = {
    "psstyle", "iswindows", "islinux", "ismacos", "iscoreclr", "enabledexperimentalfeatures",
    "psnativecommandargumentpassing", "psnativecommanduseerroractionpreference",
}  # fmt: skip

TEXT_ENCODINGS = {
    "unknown", "string", "unicode", "bigendianunicode", "utf8", "utf7", "utf32", "ascii", "default", "oem",
}  # fmt: skip
PROVIDER_ENCODINGS = TEXT_ENCODINGS | {"byte", "bigendianutf32"}

# Members that PowerShell itself adds to any object, and those that its types.ps1xml adds to some.
ANY_MEMBER = {"psobject", "pstypenames", "psbase", "psadapted", "psextended", "count", "length", "foreach", "where"}
_OF_A_FILE = "basename target linktype pspath psparentpath pschildname psdrive psprovider psiscontainer mode"
ADDED = {
    type_name: set(members.split())
    for type_name, members in {
        "System.Diagnostics.Process": "name si handles vm ws pm npm cpu path company fileversion productversion"
        " description product __nounname",
        "System.ServiceProcess.ServiceController": "name requiredservices",
        "System.IO.FileInfo": f"{_OF_A_FILE} versioninfo",
        "System.IO.DirectoryInfo": _OF_A_FILE,
        "System.DateTime": "datetime",
        "System.Guid": "guid",
        "System.Diagnostics.FileVersionInfo": "fileversionraw productversionraw",
        "System.Net.IPAddress": "ipaddresstostring",
        "System.Security.AccessControl.ObjectSecurity": "path owner group access sddl accesstostring audittostring",
        "System.Security.Cryptography.X509Certificates.X509Certificate2": "enhancedkeyusagelist dnsnamelist"
        " sendastrustedissuer",
        "Microsoft.Win32.RegistryKey": "property pspath psparentpath pschildname psdrive psprovider psiscontainer",
    }.items()
}

# Parameters that a provider adds: those of the registry and of certificates.
DYNAMIC = {
    "set-itemproperty": ("Type",),
    "new-itemproperty": ("Type",),
    "set-item": ("Type",),
    "new-item": ("Type", "Options"),
    "get-childitem": (
        "CodeSigningCert", "DocumentEncryptionCert", "SSLServerAuthentication", "DnsName", "Eku", "ExpiringInDays",
        "Recurse",
    ),
    "get-item": ("CodeSigningCert",),
    "remove-item": ("DeleteKey",),
    "copy-item": ("ToSession", "FromSession"),
}  # fmt: skip

# Names of which the records have nothing: the assembly to load, or None where it loads itself.
UNRECORDED = {
    "system.directoryservices.accountmanagement.": "System.DirectoryServices.AccountManagement",
    "system.windows.markup.": "PresentationFramework",
    "system.windows.controls.": "PresentationFramework",
    "system.windows.media.": "PresentationCore",
    "system.windows.window": "PresentationFramework",
    "system.windows.messagebox": "PresentationFramework",
    "system.speech.": "System.Speech",
    "microsoft.management.infrastructure.": None,
    "microsoft.powershell.cmdletization.generatedtypes.": None,
    "microsoft.powershell.commands.": None,
    "windows.": None,
}

# What a member of these may be is not known from the type.
OPEN = {
    "System.Collections.Hashtable", "System.Collections.IDictionary", "System.Collections.Generic.Dictionary",
    "System.Collections.Specialized.OrderedDictionary", "System.Xml.XmlDocument", "System.Xml.XmlElement",
    "System.Xml.XmlNode", "System.Xml.XmlAttribute", "System.Management.Automation.PSObject",
    "System.Management.Automation.PSReference", "System.Management.ManagementObject",
    "System.Management.ManagementBaseObject", "System.Management.ManagementClass",
    "System.DirectoryServices.DirectoryEntry", "Microsoft.Management.Infrastructure.CimInstance",
    "System.Data.DataRow", "System.Object", "System.Void",
}  # fmt: skip

# From the smallest to the one that takes all the others.
NUMBERS = (
    "System.SByte", "System.Byte", "System.Int16", "System.UInt16", "System.Int32", "System.UInt32", "System.Int64",
    "System.UInt64", "System.Single", "System.Double", "System.Decimal",
)  # fmt: skip

AUTOMATIC = {
    "true": "System.Boolean",
    "false": "System.Boolean",
    "pid": "System.Int32",
    "lastexitcode": "System.Int32",
    "executioncontext": "System.Management.Automation.EngineIntrinsics",
    "matches": "System.Collections.Hashtable",
    "myinvocation": "System.Management.Automation.InvocationInfo",
    "host": "System.Management.Automation.Host.PSHost",
    "psscriptroot": "System.String",
    "pscommandpath": "System.String",
}
# What a few commands give. Of the rest nothing is known.
GIVES = {
    "get-date": "System.DateTime",
    "new-timespan": "System.TimeSpan",
    "join-path": "System.String",
    "split-path": "System.String",
}
