# Reads one gateway and answers with the JSON document that ../schema describes. It changes nothing.
#
# What a gateway is sent are the files of this folder, joined in the order of PARTS in question.py: this one, functions,
# and run.ps1, which runs the sections. $Settings is one line of ASCII JSON (question.py makes it). The answer is three
# lines: "#evidence begin", the document in ASCII, "#evidence end". Written for Windows PowerShell 5.1 and a network
# logon of an administrator. Where each fact is read, why there, and what nobody has seen on a real gateway yet:
# docs/windows.md.
param($Settings)

if ("$($ExecutionContext.SessionState.LanguageMode)" -ne 'FullLanguage') {
    "#evidence refused: PowerShell runs in $($ExecutionContext.SessionState.LanguageMode) here"
    return
}
