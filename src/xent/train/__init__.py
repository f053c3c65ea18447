"""What `xent train` does, from data to report, without the terminal: that is xent.cli's."""
