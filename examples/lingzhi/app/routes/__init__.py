"""The endpoints of lingzhi, one file per subject, each with a `blueprint`."""
