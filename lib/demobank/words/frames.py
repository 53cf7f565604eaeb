"""What stands around a clause: greetings, settings, feelings, wishes, endings; and what fills the slots.

Settings name a place or product that the message is not about, so that looking for words alone goes wrong. Words of
praise serve sarcasm too: only what they are said of tells the difference. The common phrases come first.
"""

from __future__ import annotations

import numpy as np

TEXT = np.dtypes.StringDType()
"""Texts of any length in numpy arrays."""


def phrases(told: str) -> np.ndarray:
    """Split a text at its spaces; the phrases have none, as Chinese needs none."""
    return np.array(told.split(), dtype=TEXT)


GREETINGS = phrases("""
    你好， 您好， 您好！ 我是老客户了， 想反映一下， 说个事， 客服你好， 麻烦帮我看看， 在吗？ 反馈： 各位领导好，
    十几年的老用户了，
""")
SETTINGS = phrases("""
    {when}在{place}办{product}， {when}用{app}{deed}， {when}去{place}{deed}， 给家里人转账的时候， 还{credit}那天，
    刚领了工资， 帮我爸妈{deed}， 出差在外地， {when}去问{product}， 因为要买房， 在自助机上{deed}， 存{sum}的时候，
    买理财那天， 办完{card}， 在{place}打流水， {when}给{staff}打电话， {when}改手机号， 转{sum}给亲戚，
""")
_BAD = """
    {very}失望了 {very}坑了 真服了 什么银行 太差劲 差评 无语 很不满意 气死人了 再也不想用了 体验极差 不能忍 烦透了
    {very}让人寒心 要销户了 我要投诉 一肚子火 垃圾 搞什么名堂 欺负老实人 吃相难看 真受不了 醉了 避雷
"""
_PLAIN = "一般吧 还行 就这样 希望改进 中评 凑合 先用着 其他没什么 及格 3分"
_GOOD = """
    真是太棒了 好评 很满意 点赞 服务真好 非常专业 效率真高 谢谢你们 真贴心 五星好评 挺好的 省心 不错不错 值得信赖
    厉害了 给力 太感动了 会推荐给朋友 继续保持 为你们点赞 体验真好 暖心 靠谱 yyds
"""
_UNSURE = "打扰了 不太懂 没找到 麻烦了 第一次弄 想先了解一下 网上说法不一"
FEELINGS = tuple(phrases(told) for told in (_BAD, _UNSURE, _PLAIN, _GOOD))
"""Feelings in each mood of `phrases`: a problem, a question, a remark, praise; so in all that comes in fours."""
SNEERS = phrases("""
    真有你们的 佩服佩服 我可真是长见识了 不愧是大银行 真会为客户着想 惊不惊喜 我谢谢你们全家 客户体验拉满 真是贵宾待遇
    又创新高了 真让人放心啊 效率感人
""")
"""Words of praise that are hardly ever meant so."""
_REQUESTS = """
    请尽快处理 要求退还{amount} 给个说法 请核实 什么时候能解决？ 希望重视 限{days}内答复 必须赔偿 请联系我，尾号****
    再不解决我打监管电话
"""
_ASKS = "谢谢 麻烦回复 急，在线等 请尽快告知 辛苦了 怎么弄？ 可以发短信给我 打电话给我也行 求解答 在线等"
_THANKS = "希望越来越好 继续加油 下次还来 会一直支持 谢谢{staff} 建议表扬 已经推荐给同事 给{staff}加鸡腿"
_HINTS = "希望改进 希望多点优惠 再看看吧 以后再说 建议多学学别家 加油吧"
WISHES = tuple(phrases(told) for told in (_REQUESTS, _ASKS, _HINTS, _THANKS))
_MARKS = (
    "。 ！ ！！！ 。。。 … ？？ 😡 😤 💢 🙃 ！！😡",
    "？ 。 ？？ 🙏 ～ ？🙏 …",
    "。 … ～ 。。。 😐",
    "。 ！ ～ 👍 😊 🌹 ❤️ 🙂 ！！ 👍👍 😄",
)
ENDINGS = tuple(phrases(told) for told in _MARKS)
SNEERING = phrases("。 ！ 👍 👏 🙂 😊 ～ …… 🌹 👍👍👍")
_COMPLAINT = """
    等了{days}还是没人处理 说好的事又变卦 问题到现在没解决 跟上次一样，又来了 越来越差了 同一件事说了{times}遍
    还是老样子 反映了{times}次都没用 同样的问题又出现了 完全不顾客户感受 当初承诺的呢
"""
_DOUBT = "上次问的事有结果了吗 这个怎么弄 还没收到回复 请问进度如何 想咨询一下 什么时候能好 这样操作对吗 需要我做什么"
_REMARK = "没什么意见 跟以前一样 暂时没有建议 都可以 马马虎虎 没太大变化 用着再说 还可以吧"
_PRAISE = "一如既往的好 用了好多年了，没得说 比以前好多了 解决得很快 都挺满意 越来越好了 事情办妥了"
VAGUE = tuple(phrases(told) for told in (_COMPLAINT, _DOUBT, _REMARK, _PRAISE))
"""Clauses that name no topic."""
HINTS = phrases("""
    🙂 呵呵 …… 哦 才怪 🙃 你们自己信吗 信你个鬼 我信了 真的吗 🙄 怎么可能 笑死 对对对 啊对 谁信谁傻 广告是这么写的
""")
"""Turn praise into its opposite."""
ONCE = phrases("以前 之前 去年 原来 上次 刚开户那会儿")
RELIEF = phrases("""
    ，现在好了 ，现在没有了 ，后来都解决了 ，打电话一说就处理了 ，如今完全不一样了 ，你们改进得真快 ，这次没再出现
""")
"""Around a trouble that is over."""
AND = phrases("，还有 。另外 ，而且 ；再说 ，再一个 。对了， ，加上")
BUT = phrases("，但是 ，不过 ，可是 ，就是 。然而 ，只是")
THEN = phrases("， 。 ，而且 ； ，然后 ！")

_FILLERS = {
    "amount": "25元 10块 50元 5块钱 100元 200块 3.5元 12元 几十块 一百多 30元 6块 2.5元 80元 300多 18块",
    "sum": "5万 2万 10万 5000元 三万多 20万 1万 8000 一万五 50万 十几万 3000块",
    "times": "三 两 好几 四 五 3 2 无数 七八 n",
    "wait": "一个小时 半个小时 四十分钟 两个钟头 一上午 快3个小时 1个半小时 四十多分钟 大半天",
    "days": "三天 一个星期 半个月 十来天 一个月 两个月 7天 5个工作日 好多天 15天 快一周",
    "when": "昨天 今天 上周 前几天 昨晚 月初 今天早上 上个月 刚才 国庆期间 周末 中午 年底 春节前",
    "card": "信用卡 储蓄卡 工资卡 银行卡 卡 白金卡 借记卡 副卡 尾号****的卡 社保卡 联名卡",
    "credit": "信用卡 白金卡 信用卡 联名卡 金卡 尾号****的信用卡",
    "app": "手机银行 APP App 手机app 客户端 软件 网银 小程序 掌上银行 你们的app",
    "staff": "柜员 客户经理 客服 大堂经理 工作人员 柜台小姑娘 经理 值班的 办事员",
    "place": "网点 支行 柜台 银行 营业厅 你们网点 家门口的支行 分行 总行营业部",
    "deed": "转账 查余额 还款 交水电费 买理财 充话费 打流水 改手机号 绑卡 存钱 查账单 汇款",
    "very": "太 真的太 实在太 也太 简直太",
    "product": "房贷 消费贷 定期 大额存单 理财 基金 保险 经营贷 装修贷 车贷 按揭 存款",
    "loan": "房贷 消费贷 贷款 经营贷 装修贷 车贷 按揭 信用贷 公积金贷款",
    "saving": "定期 大额存单 理财 存款 基金 国债 结构性存款 七天通知",
    "error": "系统繁忙 网络异常 交易失败 未知错误 请稍后再试 操作超时 系统升级中 错误代码9**",
    "bank": "别的银行 别家 其他银行 隔壁银行 人家 同行 外资行",
    "rate": "1.5% 3.85% 百分之三 2.1% 1.9 0.05% 四个点 3%",
}
SLOTS = {name: phrases(told) for name, told in _FILLERS.items()}
"""What may stand in each slot; none looks like anybody's number."""

FOREIGN = {
    "fee": ("手續費又貴咗，轉筆錢都要收{amount}，搶錢咩", "charged {amount} for a transfer again, nobody told me why"),
    "app": ("個App成日閃退，登入{times}次都唔得", "App keeps crashing when i log in!!! fix it pls"),
    "service": ("排隊排咗成個鐘，職員態度好差", "waited 2 hours, staff were rude and the queue machine was broken"),
    "card": ("信用卡額度突然調低，刷卡唔到好尷尬", "my card got swallowed by the ATM, still waiting for a new one"),
    "loan": ("房貸審批拖了一個月，資料交了{times}次還說不齊", "loan application pending for weeks, no reply at all"),
    "interest": ("定存利率又調低，利息得嗰少少", "interest rate is a joke compared to other banks"),
    "security": ("戶口無啦啦被凍結，驗證碼又收唔到", "account frozen for no reason, no SMS code since Monday"),
}
"""Complaints in Cantonese or in traditional characters, and in English."""
