#!/usr/bin/env node
/** `sluice-ts get|set|list`: the variables of the task sequence, for programs in its steps. */
import { stepVariablesCommand } from '../src/run/step-variables-command.ts'

process.exitCode = await stepVariablesCommand(process.argv.slice(2), process.env)
