"""The child side of local fine-tuning: LoRA with transformers, peft and trl, run as a process of its own."""
