import type { Command, Noun } from '../command.ts'
import { watchOption } from '../options.ts'

const about = (verb: 'status' | 'observed' | 'desired' | 'diff', doc: string): Command => ({
  noun: 'agent',
  verb,
  doc,
  details: [
    "It asks the agent of this machine over the agent's own socket; no controller is needed."
  ],
  options: [watchOption],
  examples: [
    { line: `remuda agent ${verb}`, doc: 'for people' },
    { line: `remuda agent ${verb} -o json`, doc: 'as the agent says it' }
  ],
  run: () => import('../run/agent.ts').then(module => module.askAgent(verb))
})

/** Commands that ask the agent of this machine. */
export const agent: Noun = {
  noun: 'agent',
  doc: 'The agent of this machine; works with no controller.',
  commands: [
    about('status', 'Shows how the agent is, and which controller it obeys.'),
    about('observed', 'Shows what the agent finds on this host.'),
    about('desired', 'Shows what the agent was last told to hold.'),
    about('diff', 'Shows what differs between the two, and what the agent does about it.')
  ]
}

/** The state of the cloud in one screen. */
export const status: Command = {
  verb: 'status',
  doc: 'Shows how the cloud is, in one screen.',
  options: [watchOption],
  examples: [
    { line: 'remuda status', doc: 'is all well?' },
    { line: 'remuda status -w', doc: 'and does it stay so?' }
  ],
  run: () => import('../run/status.ts').then(module => module.showStatus)
}

/** The search for what is broken. */
export const doctor: Command = {
  verb: 'doctor',
  doc: 'Finds the first broken link on this machine, and says how to mend it.',
  details: [
    'It looks at everything from the configuration to the clock, whether or not anything runs, ' +
      'and changes nothing. Each check is ok, warn or fail. It exits with 1 if one fails.'
  ],
  examples: [
    { line: 'remuda doctor', doc: 'what is wrong, and what to do' },
    { line: 'remuda doctor -o json', doc: 'for a monitor' }
  ],
  run: () => import('../run/doctor.ts').then(module => module.examine)
}

/** The versions of program and controller. */
export const version: Command = {
  verb: 'version',
  doc: 'Shows the version of this program, and of the controller if it answers.',
  examples: [{ line: 'remuda version', doc: 'both versions' }],
  run: () => import('../run/version.ts').then(module => module.showVersion)
}

/** The scripts for shells. */
export const completion: Command = {
  verb: 'completion',
  doc: 'Writes the script that completes commands and names in a shell.',
  positionals: [{ name: 'SHELL', doc: 'bash, zsh or fish.', words: ['bash', 'zsh', 'fish'] }],
  examples: [
    { line: 'source <(remuda completion bash)', doc: 'for this bash' },
    {
      line: 'remuda completion zsh > ~/.zfunc/_remuda',
      doc: 'for zsh, with ~/.zfunc in its fpath'
    },
    {
      line: 'remuda completion fish > ~/.config/fish/completions/remuda.fish',
      doc: 'for fish'
    }
  ],
  run: () => import('../completion/scripts.ts').then(module => module.writeScript)
}
