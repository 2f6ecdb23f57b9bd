# Completion of port-daddy for PowerShell. In the file that $PROFILE names:
#   port-daddy completions powershell | Out-String | Invoke-Expression

& {
    $names = @('port-daddy')
    # Something else may be called pd.
    $short = Get-Command pd -CommandType Application -ErrorAction Ignore | Select-Object -First 1
    if ($short -and (Get-Item -LiteralPath $short.Source).Target -match '(^|[\\/])port-daddy$') { $names += 'pd' }
    Register-ArgumentCompleter -Native -CommandName $names -ScriptBlock {
        param($wordToComplete, $commandAst, $cursorPosition)
        # The tree has no space at its end, and a word that is still empty is not in it.
        $length = $cursorPosition - $commandAst.Extent.StartOffset
        $line = $commandAst.Extent.Text.PadRight($length).Substring(0, $length)
        $program = Get-Command port-daddy -CommandType Application -ErrorAction Ignore | Select-Object -First 1
        if (-not $program) { return }
        & $program __complete powershell $line 2>$null | Where-Object { $_ -notmatch "^\t" } | ForEach-Object {
            $word, $note = $_ -split "`t", 2
            if (-not $note) { $note = $word }
            [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $note)
        }
    }
}
