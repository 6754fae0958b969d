"""The race: this build against rathole on the same machine, in the same run."""
