import '../ui/no-eval.ts'
import { createRoot } from 'react-dom/client'
import { SoftwareCenter } from './software-center.tsx'

const root = document.getElementById('root')
if (root) createRoot(root).render(<SoftwareCenter />)
