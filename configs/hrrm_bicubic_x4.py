# What the rain removal is worth by itself. tools/test.py configs/hrrm_bicubic_x4.py rainrestore://hrrm_x4
_base_ = 'hrrm_x4.py'

model = dict(type='RainRemoverThenBicubic', scale=4)
test_evaluator = [dict(type='PSNR'), dict(type='SSIM')]
train_dataloader = train_cfg = optim_wrapper = None
