"""What is stored, for how long, where it goes: inventory, retention, exports, backup, restore and checks."""
