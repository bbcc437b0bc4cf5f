#!/usr/bin/env node
import { launch } from '@carmine/repo-tools/launch';

launch(import.meta.url);
