#!/usr/bin/env node
import module from 'node:module'

module.enableCompileCache()
const { start } = await import('./cli/start.ts')
await start()
